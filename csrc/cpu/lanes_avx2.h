// AVX2 with FMA and F16C: eight lanes of float32, four of float64.
#pragma once

#include <immintrin.h>
#include <stdint.h>

#include "../inline.h"
#include "../sixteen_bit.h"

namespace ganreg {
namespace {

// A true lane is all ones; a blend reads sign bits alone.
struct FloatMask {
  __m256 v;
};
struct DoubleMask {
  __m256d v;
};

struct Floats8 {
  using Real = float;
  using Mask = FloatMask;
  static constexpr int kLanes = 8;
  __m256 v;

  Floats8() = default;
  GANREG_INLINE Floats8(__m256 lanes) : v(lanes) {}
  GANREG_INLINE explicit Floats8(float number) : v(_mm256_set1_ps(number)) {}
  static GANREG_INLINE Floats8 index() { return _mm256_setr_ps(0, 1, 2, 3, 4, 5, 6, 7); }

  struct Tally {
    __m256i v = _mm256_setzero_si256();
    GANREG_INLINE void add(FloatMask mask) { v = _mm256_sub_epi32(v, _mm256_castps_si256(mask.v)); }
    int64_t total() const {
      int32_t held[8];
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(held), v);
      int64_t sum = 0;
      for (int32_t lane : held) sum += lane;
      return sum;
    }
  };

  struct Sum {
    __m256d low = _mm256_setzero_pd(), high = _mm256_setzero_pd();
    GANREG_INLINE void add(Floats8 x) {
      low = _mm256_add_pd(low, _mm256_cvtps_pd(_mm256_castps256_ps128(x.v)));
      high = _mm256_add_pd(high, _mm256_cvtps_pd(_mm256_extractf128_ps(x.v, 1)));
    }
    double total() const;
  };
};

struct Doubles4 {
  using Real = double;
  using Mask = DoubleMask;
  static constexpr int kLanes = 4;
  __m256d v;

  Doubles4() = default;
  GANREG_INLINE Doubles4(__m256d lanes) : v(lanes) {}
  GANREG_INLINE explicit Doubles4(double number) : v(_mm256_set1_pd(number)) {}
  static GANREG_INLINE Doubles4 index() { return _mm256_setr_pd(0, 1, 2, 3); }

  struct Tally {
    __m256i v = _mm256_setzero_si256();
    GANREG_INLINE void add(DoubleMask mask) { v = _mm256_sub_epi64(v, _mm256_castpd_si256(mask.v)); }
    int64_t total() const {
      int64_t held[4];
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(held), v);
      return (held[0] + held[1]) + (held[2] + held[3]);
    }
  };

  struct Sum {
    __m256d v = _mm256_setzero_pd();
    GANREG_INLINE void add(Doubles4 x) { v = _mm256_add_pd(v, x.v); }
    double total() const {
      const __m128d half = _mm_add_pd(_mm256_castpd256_pd128(v), _mm256_extractf128_pd(v, 1));
      return _mm_cvtsd_f64(half) + _mm_cvtsd_f64(_mm_unpackhi_pd(half, half));
    }
  };
};

inline double Floats8::Sum::total() const {
  Doubles4::Sum both;
  both.v = _mm256_add_pd(low, high);
  return both.total();
}

GANREG_INLINE Floats8 operator+(Floats8 a, Floats8 b) { return _mm256_add_ps(a.v, b.v); }
GANREG_INLINE Floats8 operator-(Floats8 a, Floats8 b) { return _mm256_sub_ps(a.v, b.v); }
GANREG_INLINE Floats8 operator*(Floats8 a, Floats8 b) { return _mm256_mul_ps(a.v, b.v); }
GANREG_INLINE Floats8 operator/(Floats8 a, Floats8 b) { return _mm256_div_ps(a.v, b.v); }
GANREG_INLINE Floats8 operator-(Floats8 a) { return _mm256_xor_ps(a.v, _mm256_set1_ps(-0.0f)); }
GANREG_INLINE FloatMask operator>=(Floats8 a, Floats8 b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_GE_OQ)}; }
GANREG_INLINE FloatMask operator>(Floats8 a, Floats8 b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_GT_OQ)}; }
GANREG_INLINE FloatMask operator<=(Floats8 a, Floats8 b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_LE_OQ)}; }
GANREG_INLINE FloatMask operator<(Floats8 a, Floats8 b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_LT_OQ)}; }
GANREG_INLINE FloatMask operator==(Floats8 a, Floats8 b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_EQ_OQ)}; }
GANREG_INLINE Floats8 select(FloatMask mask, Floats8 a, Floats8 b) { return _mm256_blendv_ps(b.v, a.v, mask.v); }
GANREG_INLINE Floats8 zero_where(FloatMask mask, Floats8 x) { return _mm256_andnot_ps(mask.v, x.v); }
GANREG_INLINE FloatMask sign_of(Floats8 x) { return {x.v}; }
GANREG_INLINE Floats8 multiply_add(Floats8 a, Floats8 b, Floats8 c) { return _mm256_fmadd_ps(a.v, b.v, c.v); }
GANREG_INLINE Floats8 magnitude(Floats8 x) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), x.v); }
GANREG_INLINE Floats8 smaller(Floats8 limit, Floats8 x) { return _mm256_min_ps(limit.v, x.v); }  // x where x is nan

// The lowest eight bits of each lane as the exponent of a power of two.
GANREG_INLINE Floats8 exponent_bits(Floats8 x) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(x.v), 23));
}

GANREG_INLINE Doubles4 operator+(Doubles4 a, Doubles4 b) { return _mm256_add_pd(a.v, b.v); }
GANREG_INLINE Doubles4 operator-(Doubles4 a, Doubles4 b) { return _mm256_sub_pd(a.v, b.v); }
GANREG_INLINE Doubles4 operator*(Doubles4 a, Doubles4 b) { return _mm256_mul_pd(a.v, b.v); }
GANREG_INLINE Doubles4 operator/(Doubles4 a, Doubles4 b) { return _mm256_div_pd(a.v, b.v); }
GANREG_INLINE Doubles4 operator-(Doubles4 a) { return _mm256_xor_pd(a.v, _mm256_set1_pd(-0.0)); }
GANREG_INLINE DoubleMask operator>=(Doubles4 a, Doubles4 b) { return {_mm256_cmp_pd(a.v, b.v, _CMP_GE_OQ)}; }
GANREG_INLINE DoubleMask operator>(Doubles4 a, Doubles4 b) { return {_mm256_cmp_pd(a.v, b.v, _CMP_GT_OQ)}; }
GANREG_INLINE DoubleMask operator<=(Doubles4 a, Doubles4 b) { return {_mm256_cmp_pd(a.v, b.v, _CMP_LE_OQ)}; }
GANREG_INLINE DoubleMask operator<(Doubles4 a, Doubles4 b) { return {_mm256_cmp_pd(a.v, b.v, _CMP_LT_OQ)}; }
GANREG_INLINE DoubleMask operator==(Doubles4 a, Doubles4 b) { return {_mm256_cmp_pd(a.v, b.v, _CMP_EQ_OQ)}; }
GANREG_INLINE Doubles4 select(DoubleMask mask, Doubles4 a, Doubles4 b) { return _mm256_blendv_pd(b.v, a.v, mask.v); }
GANREG_INLINE Doubles4 zero_where(DoubleMask mask, Doubles4 x) { return _mm256_andnot_pd(mask.v, x.v); }
GANREG_INLINE DoubleMask sign_of(Doubles4 x) { return {x.v}; }
GANREG_INLINE Doubles4 multiply_add(Doubles4 a, Doubles4 b, Doubles4 c) { return _mm256_fmadd_pd(a.v, b.v, c.v); }
GANREG_INLINE Doubles4 magnitude(Doubles4 x) { return _mm256_andnot_pd(_mm256_set1_pd(-0.0), x.v); }
GANREG_INLINE Doubles4 smaller(Doubles4 limit, Doubles4 x) { return _mm256_min_pd(limit.v, x.v); }

// The lowest eleven bits of each lane as the exponent of a power of two.
GANREG_INLINE Doubles4 exponent_bits(Doubles4 x) {
  return _mm256_castsi256_pd(_mm256_slli_epi64(_mm256_castpd_si256(x.v), 52));
}

GANREG_INLINE void load(const float* from /* [8] */, Floats8* to) { to->v = _mm256_loadu_ps(from); }
GANREG_INLINE void load(const double* from /* [4] */, Doubles4* to) { to->v = _mm256_loadu_pd(from); }
GANREG_INLINE void load(const Bfloat16* from /* [8] */, Floats8* to) {
  const __m128i bits = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
  to->v = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
}
GANREG_INLINE void load(const Float16* from /* [8] */, Floats8* to) {
  to->v = _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
}

GANREG_INLINE void store(float* to /* [8] */, Floats8 x) { _mm256_storeu_ps(to, x.v); }
GANREG_INLINE void store(double* to /* [4] */, Doubles4 x) { _mm256_storeu_pd(to, x.v); }
GANREG_INLINE void store(Bfloat16* to /* [8] */, Floats8 x) {  // to nearest even; a nan stays a nan
  const __m256i bits = _mm256_castps_si256(x.v);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const __m256i rounded = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), odd);
  const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(x.v, x.v, _CMP_UNORD_Q));
  const __m256i high = _mm256_srli_epi32(_mm256_blendv_epi8(rounded, _mm256_set1_epi32(0x7fc00000), nan), 16);
  const __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(high, high), 0x08);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm256_castsi256_si128(packed));
}
GANREG_INLINE void store(Float16* to /* [8] */, Floats8 x) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm256_cvtps_ph(x.v, _MM_FROUND_TO_NEAREST_INT));
}

}  // namespace
}  // namespace ganreg
