// What the torch faces of every backend share: names as torch hands them over, reductions, fresh tensors beside logits.
#pragma once

#include <stdint.h>
#include <torch/csrc/inductor/aoti_torch/c/shim.h>
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/tensor.h>
#include <torch/headeronly/core/ScalarType.h>

#include <optional>
#include <string>
#include <vector>

#include "check.h"
#include "reduction.h"

namespace ganreg {

constexpr int64_t kStatistics = 8;  // the slots of ganreg.contracts.STATISTICS

using Optional = const std::optional<Tensor>&;

// A `str` of the schema.  As std::string it would be lost at each call: torch's own conversion, up to 2.13, makes a
// copy that nobody frees (https://github.com/pytorch/pytorch/issues/191340).
struct Text : std::string {
  using std::string::string;
};

inline Reduction reduction_named(const Text& name) {
  if (name == "mean") return Reduction::mean;
  if (name == "sum") return Reduction::sum;
  STD_TORCH_CHECK(name == "none", "expected a reduction of mean, sum or none, got '", name, "'");
  return Reduction::none;
}

// An uninitialised, contiguous tensor where the logits are; the shim itself, which takes half the time of the
// dispatcher.
inline Tensor dense_empty(int64_t dim, const int64_t* sizes /* [dim] */, ScalarType type, const Tensor& logits) {
  std::vector<int64_t> strides(static_cast<size_t>(dim));
  int64_t stride = 1;
  for (int64_t i = dim; i-- > 0; stride *= sizes[i] > 1 ? sizes[i] : 1) strides[static_cast<size_t>(i)] = stride;
  const int32_t code = type == ScalarType::Double     ? aoti_torch_dtype_float64()
                       : type == ScalarType::BFloat16 ? aoti_torch_dtype_bfloat16()
                       : type == ScalarType::Half     ? aoti_torch_dtype_float16()
                                                      : aoti_torch_dtype_float32();
  int32_t device;
  STABLE_TORCH_ERROR_CODE_CHECK(aoti_torch_get_device_type(logits.get(), &device));
  AtenTensorHandle made;
  STABLE_TORCH_ERROR_CODE_CHECK(
      aoti_torch_empty_strided(dim, sizes, strides.data(), code, device, logits.get_device_index(), &made));
  return Tensor(made);
}

inline Tensor dense_like(const Tensor& tensor) {
  return dense_empty(tensor.dim(), tensor.sizes().data(), tensor.scalar_type(), tensor);
}

// The addresses of a tensor that may be absent.
inline const void* read(Optional tensor) { return tensor ? tensor->const_data_ptr() : nullptr; }
inline void* write(Optional tensor) { return tensor ? tensor->mutable_data_ptr() : nullptr; }

}  // namespace ganreg

template <>
struct torch::stable::detail::ToImpl<ganreg::Text> {
  static ganreg::Text call(StableIValue given, uint64_t, bool) {
    const auto handle = torch::stable::detail::to<StringHandle>(given);
    size_t length;
    const char* data;
    STABLE_TORCH_ERROR_CODE_CHECK(torch_string_length(handle, &length));
    STABLE_TORCH_ERROR_CODE_CHECK(torch_string_c_str(handle, &data));
    const ganreg::Text text(data, length);
    STABLE_TORCH_ERROR_CODE_CHECK(torch_delete_string(handle));
    return text;
  }
};
