// exp and log1p for the registers of a variant, each within one unit in the last place where the kernels need them.
//
//     exp(x), x <= 0     x = n ln 2 + r, |r| <= (ln 2) / 2     exp(r) = 1 + r + r^2 P(r)     2^n in two factors, so
//     that
//                        a result below the smallest normal number is rounded once, and not flushed
//     log1p(e)           e + e^2 Q(e - m), 0 <= e <= 1, m near 1/2: around the middle the terms of Q fall fast, while
//                        those of a series around 0 cancel as e nears 1, at the price of three units
//
// P and Q are minimax polynomials (Remez) of the relative error; tests/ops/test_polynomials.py holds them against
// mpmath.  Lowest coefficient first.  m is where the first coefficients lose least when they are rounded, and where the
// losses of all 16-bit logits are monotone: computed in float32, a neighbour's error could turn two of them round.
#pragma once

#include "../inline.h"

namespace ganreg {
namespace {

// What differs between the formats.  `shifter` is 1.5 * 2^(fraction bits) + exponent bias + `spare`: adding it rounds
// to an integer and leaves the biased exponent of 2^(n + spare) in the lowest bits.
template <typename Real>
struct Constants;

template <>
struct Constants<float> {
  static constexpr float limit = 110.0f;  // exp(-limit) is 0
  static constexpr float shifter = 0x1.8p23f + 127.0f + 64.0f;
  static constexpr float unspare = 0x1p-64f;
  static constexpr float per_ln_2 = 0x1.715476p+0f;
  static constexpr float ln_2_high = 0x1.62e400p-1f;  // 15 bits, so that n times it is exact
  static constexpr float ln_2_low = 0x1.7f7d1cp-20f;
  static constexpr float exp[] = {0.499999934486f, 0.166665206304f, 0.0416683879021f, 0.00836871700655f,
                                  0.00138146052321f};
  static constexpr float log_centre = 0x1.124p-1f;
  static constexpr float log[] = {-0.371867359f, 0.172768101f,    -0.087981768f,  0.047170639f,   -0.0261196923f,
                                  0.0146568092f, -0.00856652483f, 0.00598442322f, -0.00331835984f};
};

template <>
struct Constants<double> {
  static constexpr double limit = 750.0;
  static constexpr double shifter = 0x1.8p52 + 1023.0 + 512.0;
  static constexpr double unspare = 0x1p-512;
  static constexpr double per_ln_2 = 0x1.71547652b82fep+0;
  static constexpr double ln_2_high = 0x1.62e42fefa0000p-1;  // 36 bits
  static constexpr double ln_2_low = 0x1.cf79abc9e3b3ap-40;
  static constexpr double exp[] = {0.50000000000000111,    0.16666666666666433,    0.041666666666525708,
                                   0.0083333333334777056,  0.0013888888944903778,  0.00019841269551154359,
                                   2.4801491683889873e-05, 2.7557539274033632e-06, 2.763078386377641e-07,
                                   2.5017240502907802e-08};
  static constexpr double log_centre = 0x1.f38p-2;
  static constexpr double log[] = {-0.38034135794797197,    0.18152411747683347,     -0.095127283975031618,
                                   0.05252206982974128,     -0.029990420156590113,   0.017533490069995734,
                                   -0.010431831387799635,   0.0062912099090990789,   -0.003835277856079595,
                                   0.0023587870009397359,   -0.0014614105093020287,  0.0009110694928294626,
                                   -0.00057086519163850968, 0.00035932600036710905,  -0.00022808104972338913,
                                   0.00014563617895482065,  -8.9003615515416035e-05, 5.2508480505180708e-05,
                                   -4.1737288786764573e-05, 3.7244387975091816e-05,  -1.6341846252970682e-05};
};

// c[first] + c[first + 2] x^2 + …: every second coefficient.
template <typename V, int kCount>
GANREG_INLINE V every_second(const typename V::Real (&c)[kCount], int first, V squared) {
  int i = kCount - 1 - (kCount - 1 - first) % 2;
  V value(c[i]);
  for (i -= 2; i >= 0; i -= 2) value = multiply_add(value, squared, V(c[i]));
  return value;
}

// P(x), its even and its odd half side by side: no instruction more than one after the other.
template <typename V, int kCount>
GANREG_INLINE V polynomial(V x, const typename V::Real (&coefficients)[kCount]) {
  const V squared = x * x;
  const V odd = every_second(coefficients, 1, squared), even = every_second(coefficients, 0, squared);
  return multiply_add(odd, x, even);
}

template <typename V>
GANREG_INLINE V exponential(V x) {
  using C = Constants<typename V::Real>;
  const V bounded = smaller(V(C::limit), -x);
  const V shifted = multiply_add(bounded, V(-C::per_ln_2), V(C::shifter));
  const V n = shifted - V(C::shifter);
  const V r = multiply_add(n, V(-C::ln_2_low), multiply_add(n, V(-C::ln_2_high), -bounded));
  return multiply_add(polynomial(r, C::exp), r * r, V(1) + r) * exponent_bits(shifted) * V(C::unspare);
}

template <typename V>
GANREG_INLINE V log_of_one_plus(V e) {
  using C = Constants<typename V::Real>;
  return multiply_add(polynomial(e - V(C::log_centre), C::log), e * e, e);
}

}  // namespace
}  // namespace ganreg
