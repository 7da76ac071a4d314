// Argument checks in one voice: expected …, got ….
#pragma once

#include <stdint.h>
#include <torch/csrc/stable/tensor.h>
#include <torch/headeronly/core/ScalarType.h>
#include <torch/headeronly/util/Exception.h>

#include <algorithm>
#include <initializer_list>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace ganreg {

using torch::headeronly::ScalarType;
using torch::stable::Tensor;

inline std::string shape_of(const Tensor& tensor) {
  std::string told = "[";
  for (int64_t i = 0; i < tensor.dim(); ++i) told += (i ? ", " : "") + std::to_string(tensor.size(i));
  return told + "]";
}

inline bool same_shape(const Tensor& a, const Tensor& b) {
  if (a.dim() != b.dim()) return false;
  for (int64_t i = 0; i < a.dim(); ++i) {
    if (a.size(i) != b.size(i)) return false;
  }
  return true;
}

inline void check_logits(const Tensor& logits, const char* what) {
  const ScalarType type = logits.scalar_type();
  STD_TORCH_CHECK(type == ScalarType::Double || type == ScalarType::Float || type == ScalarType::BFloat16 ||
                      type == ScalarType::Half,
                  "expected ", what, " of float64, float32, bfloat16 or float16, got ",
                  torch::headeronly::toString(type));
}

inline void check_same_device(const Tensor& tensor, const Tensor& logits, const char* what) {
  STD_TORCH_CHECK(tensor.device() == logits.device(), "expected ", what, " on the logits' device, got another one");
}

inline void check_same_dtype(const Tensor& real, const Tensor& fake) {
  STD_TORCH_CHECK(real.scalar_type() == fake.scalar_type(), "expected real and fake logits of one dtype, got ",
                  torch::headeronly::toString(real.scalar_type()), " and ",
                  torch::headeronly::toString(fake.scalar_type()));
}

// Targets, weights, paired logits: one number for each logit, nothing broadcast.
inline void check_like(const Tensor& tensor, const Tensor& logits, const char* what) {
  STD_TORCH_CHECK(tensor.scalar_type() == logits.scalar_type(), "expected ", what, " of the logits' dtype ",
                  torch::headeronly::toString(logits.scalar_type()), ", got ",
                  torch::headeronly::toString(tensor.scalar_type()));
  STD_TORCH_CHECK(same_shape(tensor, logits), "expected ", what, " of the logits' shape ", shape_of(logits), ", got ",
                  shape_of(tensor));
  check_same_device(tensor, logits, what);
}

inline bool is_number_type(ScalarType type) { return type == ScalarType::Double || type == ScalarType::Float; }

inline void check_number(const Tensor& number, const Tensor& logits, const char* what) {
  STD_TORCH_CHECK(number.dim() == 0, "expected ", what, " to be a 0-dim tensor, got ", number.dim(), " dimensions");
  STD_TORCH_CHECK(is_number_type(number.scalar_type()), "expected ", what, " of float64 or float32, got ",
                  torch::headeronly::toString(number.scalar_type()));
  check_same_device(number, logits, what);
}

// --- the in-place form ---

// First byte and the one after the last.
inline std::pair<uintptr_t, uintptr_t> memory_of(const Tensor& tensor) {
  int64_t last = 0;
  for (int64_t i = 0; i < tensor.dim(); ++i) last += tensor.stride(i) * (tensor.size(i) - 1);
  const auto first = reinterpret_cast<uintptr_t>(tensor.const_data_ptr());
  return {first, first + static_cast<size_t>(last + 1) * tensor.element_size()};
}

inline void check_apart(const Tensor& logits, std::initializer_list<std::optional<Tensor>> others) {
  for (const std::optional<Tensor>& other : others) {
    if (!other || logits.numel() == 0 || other->numel() == 0) continue;
    const auto [first, end] = memory_of(logits);
    const auto [its_first, its_end] = memory_of(*other);
    STD_TORCH_CHECK(first >= its_end || its_first >= end,
                    "expected logits whose range of memory holds no other argument for the in-place form");
  }
}

// Every logit has a place of its own, and nothing that is read lies there.
inline void check_writable(const Tensor& logits, std::initializer_list<std::optional<Tensor>> others) {
  if (!logits.is_contiguous() && logits.numel() > 1) {
    std::vector<std::pair<int64_t, int64_t>> steps;  // stride and size
    for (int64_t i = 0; i < logits.dim(); ++i) {
      if (logits.size(i) > 1) steps.emplace_back(logits.stride(i), logits.size(i));
    }
    std::sort(steps.begin(), steps.end());
    int64_t extent = 0;
    for (const auto& [stride, size] : steps) {
      STD_TORCH_CHECK(
          stride > extent,
          "expected logits that do not share memory for the in-place form, got expanded or overlapping ones");
      extent += stride * (size - 1);
    }
  }
  check_apart(logits, others);
}

}  // namespace ganreg
