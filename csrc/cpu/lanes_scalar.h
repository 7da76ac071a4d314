// One lane in plain C++, for a processor without a variant of its own, and the definition of right for the others.
//
// exp and log1p are the C library's.  Eight sums take turns, since eight short sums lose less than one long one.
#pragma once

#include <math.h>
#include <stdint.h>

#include "../inline.h"
#include "../sixteen_bit.h"

namespace ganreg {
namespace {

template <typename R>
struct Lane {
  using Real = R;
  static constexpr int kLanes = 1;
  R v;

  Lane() = default;
  GANREG_INLINE explicit Lane(R number) : v(number) {}
  static GANREG_INLINE Lane index() { return Lane(0); }

  friend GANREG_INLINE Lane operator+(Lane a, Lane b) { return Lane(a.v + b.v); }
  friend GANREG_INLINE Lane operator-(Lane a, Lane b) { return Lane(a.v - b.v); }
  friend GANREG_INLINE Lane operator*(Lane a, Lane b) { return Lane(a.v * b.v); }
  friend GANREG_INLINE Lane operator/(Lane a, Lane b) { return Lane(a.v / b.v); }
  friend GANREG_INLINE Lane operator-(Lane a) { return Lane(-a.v); }
  friend GANREG_INLINE bool operator>=(Lane a, Lane b) { return a.v >= b.v; }
  friend GANREG_INLINE bool operator>(Lane a, Lane b) { return a.v > b.v; }
  friend GANREG_INLINE bool operator<=(Lane a, Lane b) { return a.v <= b.v; }
  friend GANREG_INLINE bool operator<(Lane a, Lane b) { return a.v < b.v; }
  friend GANREG_INLINE bool operator==(Lane a, Lane b) { return a.v == b.v; }

  // How often a condition held.
  struct Tally {
    int64_t held = 0;
    GANREG_INLINE void add(bool mask) { held += mask; }
    int64_t total() const { return held; }
  };

  // A float64 sum.
  struct Sum {
    double v[8] = {};
    int turn = 0;
    GANREG_INLINE void add(Lane x) { v[turn++ & 7] += x.v; }
    double total() const { return ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7])); }
  };
};

using Floats = Lane<float>;
using Doubles = Lane<double>;

template <typename R>
GANREG_INLINE Lane<R> select(bool mask, Lane<R> a, Lane<R> b) {
  return mask ? a : b;
}

template <typename R>
GANREG_INLINE Lane<R> zero_where(bool mask, Lane<R> x) {
  return mask ? Lane<R>(0) : x;
}

template <typename R>
GANREG_INLINE bool sign_of(Lane<R> x) {
  return __builtin_signbit(x.v);
}

template <typename R>
GANREG_INLINE Lane<R> multiply_add(Lane<R> a, Lane<R> b, Lane<R> c) {
  return a * b + c;  // a fused one without the hardware is a slow call
}

GANREG_INLINE Floats magnitude(Floats x) { return Floats(fabsf(x.v)); }
GANREG_INLINE Doubles magnitude(Doubles x) { return Doubles(fabs(x.v)); }
GANREG_INLINE Floats exponential(Floats x) { return Floats(expf(x.v)); }
GANREG_INLINE Doubles exponential(Doubles x) { return Doubles(exp(x.v)); }
GANREG_INLINE Floats log_of_one_plus(Floats x) { return Floats(log1pf(x.v)); }
GANREG_INLINE Doubles log_of_one_plus(Doubles x) { return Doubles(log1p(x.v)); }

template <typename Storage, typename R>
GANREG_INLINE void load(const Storage* from /* [1] */, Lane<R>* to) {
  to->v = widen(*from);
}

template <typename Storage, typename R>
GANREG_INLINE void store(Storage* to /* [1] */, Lane<R> x) {
  narrow(x.v, to);
}

}  // namespace
}  // namespace ganreg
