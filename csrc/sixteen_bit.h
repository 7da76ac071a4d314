// bfloat16 and float16 as plain bits, with conversions that round to nearest even.  Torch-free.
//
// No step relies on subnormal float32 numbers, so the results are the same when the processor flushes those to zero.
#pragma once

#include <stdint.h>
#include <string.h>

namespace ganreg {

struct Bfloat16 {
  uint16_t bits;
};

struct Float16 {
  uint16_t bits;
};

namespace {

inline uint32_t bits_of(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

inline float float_of(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

inline double widen(double x) { return x; }
inline float widen(float x) { return x; }
inline float widen(Bfloat16 x) { return float_of(uint32_t(x.bits) << 16); }

inline float widen(Float16 x) {
  const uint32_t sign = uint32_t(x.bits & 0x8000u) << 16;
  const uint32_t exponent = (x.bits >> 10) & 0x1fu;
  const uint32_t mantissa = x.bits & 0x3ffu;
  if (exponent == 0x1f) return float_of(sign | 0x7f800000u | (mantissa << 13));  // infinity, nan
  if (exponent == 0) {                                                           // zero, subnormal: mantissa * 2^-24
    const float value = float(mantissa) * 0x1p-24f;
    return sign ? -value : value;
  }
  return float_of(sign | ((exponent + 112) << 23) | (mantissa << 13));  // 112 = 127 - 15, the difference of the biases
}

inline void narrow(double x, double* out) { *out = x; }
inline void narrow(float x, float* out) { *out = x; }

inline void narrow(float x, Bfloat16* out) {
  const uint32_t bits = bits_of(x);
  if ((bits & 0x7fffffffu) > 0x7f800000u) {  // a nan stays a nan, whatever its lower half
    out->bits = uint16_t((bits >> 16) | 0x40u);
    return;
  }
  out->bits = uint16_t((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

inline void narrow(float x, Float16* out) {
  const uint32_t sign = (bits_of(x) >> 16) & 0x8000u;
  const uint32_t bits = bits_of(x) & 0x7fffffffu;
  uint32_t half;
  if (bits > 0x7f800000u) {
    half = 0x7e00u;
  } else if (bits >= 0x477ff000u) {  // 65520, halfway between the largest float16 and the next power of two
    half = 0x7c00u;
  } else if (bits < 0x38800000u) {  // below 2^-14: 0.5 + x has a spacing of 2^-24, that of the subnormal float16
    half = bits_of(float_of(bits) + 0.5f) - 0x3f000000u;
  } else {
    half = (bits - (112u << 23) + 0xfffu + ((bits >> 13) & 1u)) >> 13;
  }
  out->bits = uint16_t(sign | half);
}

}  // namespace
}  // namespace ganreg
