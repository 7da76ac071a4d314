// Argument checks in one voice: expected …, got ….
#pragma once

#include <torch/csrc/stable/tensor.h>
#include <torch/headeronly/core/ScalarType.h>
#include <torch/headeronly/util/Exception.h>

namespace ganreg {

using torch::headeronly::ScalarType;
using torch::stable::Tensor;

inline void check_logits(const Tensor& logits, const char* what) {
  const ScalarType type = logits.scalar_type();
  STD_TORCH_CHECK(type == ScalarType::Double || type == ScalarType::Float || type == ScalarType::BFloat16 ||
                      type == ScalarType::Half,
                  "expected ", what, " of float64, float32, bfloat16 or float16, got ",
                  torch::headeronly::toString(type));
  STD_TORCH_CHECK(logits.is_cpu(), "expected ", what, " on the cpu, got another device");
}

inline void check_same_dtype(const Tensor& real, const Tensor& fake) {
  STD_TORCH_CHECK(real.scalar_type() == fake.scalar_type(), "expected real and fake logits of one dtype, got ",
                  torch::headeronly::toString(real.scalar_type()), " and ",
                  torch::headeronly::toString(fake.scalar_type()));
}

inline void check_number(const Tensor& number, const char* what) {
  STD_TORCH_CHECK(number.dim() == 0, "expected ", what, " to be a 0-dim tensor, got ", number.dim(), " dimensions");
  const ScalarType type = number.scalar_type();
  STD_TORCH_CHECK(type == ScalarType::Double || type == ScalarType::Float, "expected ", what,
                  " of float64 or float32, got ", torch::headeronly::toString(type));
  STD_TORCH_CHECK(number.is_cpu(), "expected ", what, " on the cpu, got another device");
}

}  // namespace ganreg
