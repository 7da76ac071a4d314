// AVX-512: sixteen lanes of float32 or eight of float64.
#pragma once

#include <immintrin.h>
#include <stdint.h>

#include "../inline.h"
#include "../sixteen_bit.h"

namespace ganreg {
namespace {

struct Doubles8 {
  using Real = double;
  using Mask = __mmask8;
  static constexpr int kLanes = 8;
  __m512d v;

  Doubles8() = default;
  GANREG_INLINE Doubles8(__m512d lanes) : v(lanes) {}
  GANREG_INLINE explicit Doubles8(double number) : v(_mm512_set1_pd(number)) {}
  static GANREG_INLINE Doubles8 index() { return _mm512_setr_pd(0, 1, 2, 3, 4, 5, 6, 7); }

  // How often a condition held.
  struct Tally {
    __m512i v = _mm512_setzero_si512();
    GANREG_INLINE void add(__mmask8 mask) { v = _mm512_mask_add_epi64(v, mask, v, _mm512_set1_epi64(1)); }
    int64_t total() const { return _mm512_reduce_add_epi64(v); }
  };

  // float64 sums, one for each lane.
  struct Sum {
    __m512d v = _mm512_setzero_pd();
    GANREG_INLINE void add(Doubles8 x) { v = _mm512_add_pd(v, x.v); }
    double total() const { return _mm512_reduce_add_pd(v); }  // halves, then halves of those
  };
};

struct Floats16 {
  using Real = float;
  using Mask = __mmask16;
  static constexpr int kLanes = 16;
  __m512 v;

  Floats16() = default;
  GANREG_INLINE Floats16(__m512 lanes) : v(lanes) {}
  GANREG_INLINE explicit Floats16(float number) : v(_mm512_set1_ps(number)) {}
  static GANREG_INLINE Floats16 index() { return _mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15); }

  struct Tally {
    __m512i v = _mm512_setzero_si512();
    GANREG_INLINE void add(__mmask16 mask) { v = _mm512_mask_add_epi32(v, mask, v, _mm512_set1_epi32(1)); }
    int64_t total() const { return _mm512_reduce_add_epi32(v); }
  };

  struct Sum {
    __m512d low = _mm512_setzero_pd(), high = _mm512_setzero_pd();
    GANREG_INLINE void add(Floats16 x) {
      low = _mm512_add_pd(low, _mm512_cvtps_pd(_mm512_castps512_ps256(x.v)));
      high = _mm512_add_pd(high, _mm512_cvtps_pd(_mm512_extractf32x8_ps(x.v, 1)));
    }
    double total() const { return _mm512_reduce_add_pd(_mm512_add_pd(low, high)); }
  };
};

GANREG_INLINE Floats16 operator+(Floats16 a, Floats16 b) { return _mm512_add_ps(a.v, b.v); }
GANREG_INLINE Floats16 operator-(Floats16 a, Floats16 b) { return _mm512_sub_ps(a.v, b.v); }
GANREG_INLINE Floats16 operator*(Floats16 a, Floats16 b) { return _mm512_mul_ps(a.v, b.v); }
GANREG_INLINE Floats16 operator/(Floats16 a, Floats16 b) { return _mm512_div_ps(a.v, b.v); }
GANREG_INLINE Floats16 operator-(Floats16 a) { return _mm512_xor_ps(a.v, _mm512_set1_ps(-0.0f)); }
GANREG_INLINE __mmask16 operator>=(Floats16 a, Floats16 b) { return _mm512_cmp_ps_mask(a.v, b.v, _CMP_GE_OQ); }
GANREG_INLINE __mmask16 operator>(Floats16 a, Floats16 b) { return _mm512_cmp_ps_mask(a.v, b.v, _CMP_GT_OQ); }
GANREG_INLINE __mmask16 operator<=(Floats16 a, Floats16 b) { return _mm512_cmp_ps_mask(a.v, b.v, _CMP_LE_OQ); }
GANREG_INLINE __mmask16 operator<(Floats16 a, Floats16 b) { return _mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ); }
GANREG_INLINE __mmask16 operator==(Floats16 a, Floats16 b) { return _mm512_cmp_ps_mask(a.v, b.v, _CMP_EQ_OQ); }
GANREG_INLINE Floats16 select(__mmask16 mask, Floats16 a, Floats16 b) { return _mm512_mask_blend_ps(mask, b.v, a.v); }
GANREG_INLINE Floats16 multiply_add(Floats16 a, Floats16 b, Floats16 c) { return _mm512_fmadd_ps(a.v, b.v, c.v); }
GANREG_INLINE Floats16 magnitude(Floats16 x) { return _mm512_andnot_ps(_mm512_set1_ps(-0.0f), x.v); }
GANREG_INLINE Floats16 smaller(Floats16 limit, Floats16 x) { return _mm512_min_ps(limit.v, x.v); }  // x where x is nan
GANREG_INLINE Floats16 zero_where(__mmask16 mask, Floats16 x) { return _mm512_maskz_mov_ps(__mmask16(~mask), x.v); }
GANREG_INLINE __mmask16 sign_of(Floats16 x) { return _mm512_movepi32_mask(_mm512_castps_si512(x.v)); }

// The lowest eight bits of each lane as the exponent of a power of two.
GANREG_INLINE Floats16 exponent_bits(Floats16 x) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_castps_si512(x.v), 23));
}

GANREG_INLINE Doubles8 operator+(Doubles8 a, Doubles8 b) { return _mm512_add_pd(a.v, b.v); }
GANREG_INLINE Doubles8 operator-(Doubles8 a, Doubles8 b) { return _mm512_sub_pd(a.v, b.v); }
GANREG_INLINE Doubles8 operator*(Doubles8 a, Doubles8 b) { return _mm512_mul_pd(a.v, b.v); }
GANREG_INLINE Doubles8 operator/(Doubles8 a, Doubles8 b) { return _mm512_div_pd(a.v, b.v); }
GANREG_INLINE Doubles8 operator-(Doubles8 a) { return _mm512_xor_pd(a.v, _mm512_set1_pd(-0.0)); }
GANREG_INLINE __mmask8 operator>=(Doubles8 a, Doubles8 b) { return _mm512_cmp_pd_mask(a.v, b.v, _CMP_GE_OQ); }
GANREG_INLINE __mmask8 operator>(Doubles8 a, Doubles8 b) { return _mm512_cmp_pd_mask(a.v, b.v, _CMP_GT_OQ); }
GANREG_INLINE __mmask8 operator<=(Doubles8 a, Doubles8 b) { return _mm512_cmp_pd_mask(a.v, b.v, _CMP_LE_OQ); }
GANREG_INLINE __mmask8 operator<(Doubles8 a, Doubles8 b) { return _mm512_cmp_pd_mask(a.v, b.v, _CMP_LT_OQ); }
GANREG_INLINE __mmask8 operator==(Doubles8 a, Doubles8 b) { return _mm512_cmp_pd_mask(a.v, b.v, _CMP_EQ_OQ); }
GANREG_INLINE Doubles8 select(__mmask8 mask, Doubles8 a, Doubles8 b) { return _mm512_mask_blend_pd(mask, b.v, a.v); }
GANREG_INLINE Doubles8 multiply_add(Doubles8 a, Doubles8 b, Doubles8 c) { return _mm512_fmadd_pd(a.v, b.v, c.v); }
GANREG_INLINE Doubles8 magnitude(Doubles8 x) { return _mm512_andnot_pd(_mm512_set1_pd(-0.0), x.v); }
GANREG_INLINE Doubles8 smaller(Doubles8 limit, Doubles8 x) { return _mm512_min_pd(limit.v, x.v); }
GANREG_INLINE Doubles8 zero_where(__mmask8 mask, Doubles8 x) { return _mm512_maskz_mov_pd(__mmask8(~mask), x.v); }
GANREG_INLINE __mmask8 sign_of(Doubles8 x) { return _mm512_movepi64_mask(_mm512_castpd_si512(x.v)); }

// The lowest eleven bits of each lane as the exponent of a power of two.
GANREG_INLINE Doubles8 exponent_bits(Doubles8 x) {
  return _mm512_castsi512_pd(_mm512_slli_epi64(_mm512_castpd_si512(x.v), 52));
}

GANREG_INLINE void load(const float* from /* [16] */, Floats16* to) { to->v = _mm512_loadu_ps(from); }
GANREG_INLINE void load(const double* from /* [8] */, Doubles8* to) { to->v = _mm512_loadu_pd(from); }
GANREG_INLINE void load(const Bfloat16* from /* [16] */, Floats16* to) {
  const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
  to->v = _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
}
GANREG_INLINE void load(const Float16* from /* [16] */, Floats16* to) {
  to->v = _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
}

GANREG_INLINE void store(float* to /* [16] */, Floats16 x) { _mm512_storeu_ps(to, x.v); }
GANREG_INLINE void store(double* to /* [8] */, Doubles8 x) { _mm512_storeu_pd(to, x.v); }
GANREG_INLINE void store(Bfloat16* to /* [16] */, Floats16 x) {  // to nearest even; a nan stays a nan
  const __m512i bits = _mm512_castps_si512(x.v);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  const __m512i rounded = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), odd);
  const __mmask16 nan = _mm512_cmp_ps_mask(x.v, x.v, _CMP_UNORD_Q);
  const __m512i high = _mm512_srli_epi32(_mm512_mask_blend_epi32(nan, rounded, _mm512_set1_epi32(0x7fc00000)), 16);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm512_cvtepi32_epi16(high));
}
GANREG_INLINE void store(Float16* to /* [16] */, Floats16 x) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm512_cvtps_ph(x.v, _MM_FROUND_TO_NEAREST_INT));
}

}  // namespace
}  // namespace ganreg
