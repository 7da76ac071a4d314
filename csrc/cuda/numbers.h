// What the functors of pointwise.h ask of a float or a double, and how CUDA's storage types become one.
//
// fabsf, expf, log1pf and their like are the accurate ones: no flag that gives accuracy away is allowed in a build.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <math.h>

#include "../inline.h"

namespace ganreg {
namespace {

template <typename V>
GANREG_INLINE V select(bool mask, V a, V b) {
  return mask ? a : b;
}

template <typename V>
GANREG_INLINE V zero_where(bool mask, V x) {
  return mask ? V(0) : x;
}

template <typename V>
GANREG_INLINE bool sign_of(V x) {
  return signbit(x);
}

GANREG_INLINE float multiply_add(float a, float b, float c) { return fmaf(a, b, c); }
GANREG_INLINE double multiply_add(double a, double b, double c) { return fma(a, b, c); }
GANREG_INLINE float magnitude(float x) { return fabsf(x); }
GANREG_INLINE double magnitude(double x) { return fabs(x); }
GANREG_INLINE float exponential(float x) { return expf(x); }
GANREG_INLINE double exponential(double x) { return exp(x); }
GANREG_INLINE float log_of_one_plus(float x) { return log1pf(x); }
GANREG_INLINE double log_of_one_plus(double x) { return log1p(x); }

GANREG_INLINE double widen(double x) { return x; }
GANREG_INLINE float widen(float x) { return x; }
GANREG_INLINE float widen(__nv_bfloat16 x) { return __bfloat162float(x); }
GANREG_INLINE float widen(__half x) { return __half2float(x); }

GANREG_INLINE void narrow(double x, double* to) { *to = x; }
GANREG_INLINE void narrow(float x, float* to) { *to = x; }
GANREG_INLINE void narrow(float x, __nv_bfloat16* to) { *to = __float2bfloat16_rn(x); }
GANREG_INLINE void narrow(float x, __half* to) { *to = __float2half_rn(x); }

// What a storage type is computed in.
template <typename Number>
using Wide = decltype(widen(Number{}));

}  // namespace
}  // namespace ganreg

// Here, since a functor looks for these names where it is defined.
#include "../pointwise.h"
