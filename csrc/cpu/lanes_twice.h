// Two registers that go through every instruction side by side: while one waits for its operands the other computes.
#pragma once

#include <stdint.h>

#include "../inline.h"

namespace ganreg {
namespace {

template <typename M>
struct TwiceMask {
  M low, high;
};

template <typename V>
struct Twice {
  using Real = typename V::Real;
  using Mask = TwiceMask<typename V::Mask>;
  static constexpr int kLanes = 2 * V::kLanes;
  V low, high;

  Twice() = default;
  GANREG_INLINE Twice(V l, V h) : low(l), high(h) {}
  GANREG_INLINE explicit Twice(Real number) : low(number), high(number) {}
  static GANREG_INLINE Twice index() { return {V::index(), V::index() + V(Real(V::kLanes))}; }

  friend GANREG_INLINE Twice operator+(Twice a, Twice b) { return {a.low + b.low, a.high + b.high}; }
  friend GANREG_INLINE Twice operator-(Twice a, Twice b) { return {a.low - b.low, a.high - b.high}; }
  friend GANREG_INLINE Twice operator*(Twice a, Twice b) { return {a.low * b.low, a.high * b.high}; }
  friend GANREG_INLINE Twice operator/(Twice a, Twice b) { return {a.low / b.low, a.high / b.high}; }
  friend GANREG_INLINE Twice operator-(Twice a) { return {-a.low, -a.high}; }
  friend GANREG_INLINE Mask operator>=(Twice a, Twice b) { return {a.low >= b.low, a.high >= b.high}; }
  friend GANREG_INLINE Mask operator>(Twice a, Twice b) { return {a.low > b.low, a.high > b.high}; }
  friend GANREG_INLINE Mask operator<=(Twice a, Twice b) { return {a.low <= b.low, a.high <= b.high}; }
  friend GANREG_INLINE Mask operator<(Twice a, Twice b) { return {a.low < b.low, a.high < b.high}; }
  friend GANREG_INLINE Mask operator==(Twice a, Twice b) { return {a.low == b.low, a.high == b.high}; }

  // How often a condition held.
  struct Tally {
    typename V::Tally low, high;
    GANREG_INLINE void add(Mask mask) {
      low.add(mask.low);
      high.add(mask.high);
    }
    int64_t total() const { return low.total() + high.total(); }
  };

  // float64 sums, one for each lane.
  struct Sum {
    typename V::Sum low, high;
    GANREG_INLINE void add(Twice x) {
      low.add(x.low);
      high.add(x.high);
    }
    double total() const { return low.total() + high.total(); }
  };
};

template <typename M, typename V>
GANREG_INLINE Twice<V> select(TwiceMask<M> mask, Twice<V> a, Twice<V> b) {
  return {select(mask.low, a.low, b.low), select(mask.high, a.high, b.high)};
}
template <typename M, typename V>
GANREG_INLINE Twice<V> zero_where(TwiceMask<M> mask, Twice<V> x) {
  return {zero_where(mask.low, x.low), zero_where(mask.high, x.high)};
}
template <typename V>
GANREG_INLINE typename Twice<V>::Mask sign_of(Twice<V> x) {
  return {sign_of(x.low), sign_of(x.high)};
}
template <typename V>
GANREG_INLINE Twice<V> multiply_add(Twice<V> a, Twice<V> b, Twice<V> c) {
  return {multiply_add(a.low, b.low, c.low), multiply_add(a.high, b.high, c.high)};
}
template <typename V>
GANREG_INLINE Twice<V> magnitude(Twice<V> x) {
  return {magnitude(x.low), magnitude(x.high)};
}
template <typename V>
GANREG_INLINE Twice<V> smaller(Twice<V> limit, Twice<V> x) {
  return {smaller(limit.low, x.low), smaller(limit.high, x.high)};
}
template <typename V>
GANREG_INLINE Twice<V> exponent_bits(Twice<V> x) {
  return {exponent_bits(x.low), exponent_bits(x.high)};
}

template <typename V, typename Storage>
GANREG_INLINE void load(const Storage* from /* [2 V::kLanes] */, Twice<V>* to) {
  load(from, &to->low);
  load(from + V::kLanes, &to->high);
}
template <typename V, typename Storage>
GANREG_INLINE void store(Storage* to /* [2 V::kLanes] */, Twice<V> x) {
  store(to, x.low);
  store(to + V::kLanes, x.high);
}

}  // namespace
}  // namespace ganreg
