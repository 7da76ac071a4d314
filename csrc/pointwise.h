// The losses' arithmetic, one functor each: the only place a formula is written down in C++, shared by every backend.
//
// `V` is whatever a backend computes with: float or double in CUDA, a register full of them on a CPU.  A functor uses
// operators and what each backend has for its own V: `select(mask, a, b)`, `zero_where(mask, x)`, `sign_of(x)` as a
// mask, `multiply_add(a, b, c)`, `magnitude(x)`, `exponential(x)` for x <= 0 and `log_of_one_plus(x)` for 0 <= x <= 1.
//
// Torch-free, and all in the unnamed namespace: a variant compiled for a newer processor must keep its own copy, since
// the linker may otherwise keep that copy for every processor.  For the same reason the C functions of math.h are
// called, not the inline overloads of <cmath>.
//
// A new loss is a functor here with its line in GANREG_LOSSES, and a formula in ganreg/ops/reference.py.  A plugin's is
// written the same way in a file of its own, without `curvature`: GANREG_FUNCTOR names it (ganreg/ops/fused_loss.py).
#pragma once

#include <math.h>
#include <string.h>

#include "inline.h"

// Every functor, and its name in the operators' arguments; a plugin that compiles a functor of its own names that
// alone.
#if !defined(GANREG_LOSSES)
#define GANREG_LOSSES(each)                                                                                         \
  each(BinaryCrossEntropy, "bce") each(Minimax, "minimax") each(Hinge, "hinge") each(LeastSquares, "least-squares") \
      each(Linear, "linear")
#endif

namespace ganreg {
namespace {

// The place of a name in GANREG_LOSSES, or -1.
inline int loss_number(const char* name) {
#define GANREG_NAME(Loss, its_name) its_name,
  static constexpr const char* names[] = {GANREG_LOSSES(GANREG_NAME)};
#undef GANREG_NAME
  for (int i = 0; i < int(sizeof names / sizeof *names); ++i) {
    if (!strcmp(names[i], name)) return i;
  }
  return -1;
}

// A logit, and what every loss and statistic makes of it with one exponential and one division.
template <typename V>
struct Logit {
  V x;
  V distance;                 // |x|
  V e;                        // exp(-|x|)
  V inverse;                  // 1 / (1 + e)
  decltype(x >= x) negative;  // its sign bit is set; at -0 both faces of a formula agree

  GANREG_INLINE explicit Logit(V logit) : Logit(logit, exponential_of(logit)) {}

  // With an exponential made before.
  GANREG_INLINE Logit(V logit, V its_exponential)
      : x(logit),
        distance(magnitude(logit)),
        e(its_exponential),
        inverse(V(1) / (V(1) + e)),
        negative(sign_of(logit)) {}

  static GANREG_INLINE V exponential_of(V logit) { return exponential(-magnitude(logit)); }

  // The probability of "real" that the logit stands for.
  GANREG_INLINE V sigma() const { return select(negative, e, V(1)) * inverse; }
};

// What one logit contributes.
template <typename V>
struct Contribution {
  V loss;
  V derivative;  // of the loss by the logit
};

// Binary cross-entropy of sigma(x) against the target y, the term of y weighted by p:
//
//     loss = p y s(-x) + (1 - y) s(x)      s(x) = log(1 + exp(x)) = max(x, 0) + log1p(e)      e = exp(-|x|)
//
// With a = 1 - y, b = p y, c = x >= 0 ? a : b:
//
//     loss       = |x| c + (a + b) log1p(e)
//     derivative = (x >= 0 ? a - b e : a e - b) / (1 + e)
//     curvature  = (a + b) e / (1 + e)^2
//
// For 0 <= y <= 1 no term of the loss is negative, so nothing cancels: a confident, right answer keeps its small loss
// and its small gradient, where (1 - y) x - logsigmoid(x) and sigma(x) - y round to 0.
template <typename V>
struct BinaryCrossEntropy {
  V a, b, both;

  // a + b is exactly 1 where p is, for every y that is a number.
  GANREG_INLINE BinaryCrossEntropy(V y, V p)
      : a(V(1) - y), b(p * y), both(select(p == V(1), V(1) + V(0) * y, multiply_add(p, y, a))) {}

  GANREG_INLINE Contribution<V> operator()(const Logit<V>& logit) const {
    const V c = select(logit.negative, b, a);
    const V linear = zero_where(c == V(0), logit.distance * c);  // keeps inf * 0 out
    const V leading = select(logit.negative, -b, a);
    const V trailing = select(logit.negative, a, -b);
    return {multiply_add(both, log_of_one_plus(logit.e), linear),
            multiply_add(trailing, logit.e, leading) * logit.inverse};
  }

  GANREG_INLINE V curvature(const Logit<V>& logit) const { return both * (logit.e * logit.inverse) * logit.inverse; }
};

// The same where the label is certain, y = 0 or 1, and p is 1: the same numbers from fewer instructions, but for the
// sign of a zero.
//
//     loss = max(0, t x) + log1p(e)      derivative = t sigma(t x)      t = 1 - 2 y
template <typename V>
struct CertainCrossEntropy {
  V away;  // t, the side that the label is not on

  GANREG_INLINE CertainCrossEntropy(V y, V /* pos_weight */) : away(V(1) - (y + y)) {}

  GANREG_INLINE Contribution<V> operator()(const Logit<V>& logit) const {
    const V wrong = away * logit.x;
    const auto right = sign_of(wrong);
    return {select(right, V(0), wrong) + log_of_one_plus(logit.e),
            away * (select(right, logit.e, V(1)) * logit.inverse)};
  }
};

// What the generator of the original, zero-sum game loses: minus the discriminator's cross-entropy of a fake.
//
//     loss = -s(x)      derivative = -sigma(x)      curvature = -sigma(x) sigma(-x)
template <typename V>
struct Minimax {
  BinaryCrossEntropy<V> discriminator{V(0), V(1)};

  GANREG_INLINE Minimax(V /* target */, V /* pos_weight */) {}

  GANREG_INLINE Contribution<V> operator()(const Logit<V>& logit) const {
    const Contribution<V> its = discriminator(logit);
    return {-its.loss, -its.derivative};
  }

  GANREG_INLINE V curvature(const Logit<V>& logit) const { return -discriminator.curvature(logit); }
};

// The distance by which a logit misses the margin t: above t for a real, below it for a fake, whose margin is negative.
// The sign bit tells, since a small margin may round to a zero.
//
//     loss = max(0, s (t - x))      derivative = loss > 0 ? -s : 0      curvature = 0      s = sign of t
template <typename V>
struct Hinge {
  V margin, sign;

  GANREG_INLINE Hinge(V t, V /* pos_weight */) : margin(t), sign(select(sign_of(t), V(-1), V(1))) {}

  GANREG_INLINE Contribution<V> operator()(const Logit<V>& logit) const {
    const V missed = sign * (margin - logit.x);
    const auto enough = missed <= V(0);  // false for a nan, which stays one
    return {select(enough, V(0), missed), select(enough, V(0), select(missed > V(0), -sign, missed))};
  }

  GANREG_INLINE V curvature(const Logit<V>& logit) const { return V(0) * logit.e; }
};

// Half the squared distance from the label y.
//
//     loss = (x - y)^2 / 2      derivative = x - y      curvature = 1
template <typename V>
struct LeastSquares {
  V label;

  GANREG_INLINE LeastSquares(V y, V /* pos_weight */) : label(y) {}

  GANREG_INLINE Contribution<V> operator()(const Logit<V>& logit) const {
    const V distance = logit.x - label;
    return {V(0.5) * distance * distance, distance};
  }

  GANREG_INLINE V curvature(const Logit<V>&) const { return V(1); }
};

// The logit itself, times a slope: -1 for what should rise, 1 for what should fall.
//
//     loss = k x      derivative = k      curvature = 0
template <typename V>
struct Linear {
  V slope;

  GANREG_INLINE Linear(V k, V /* pos_weight */) : slope(k) {}

  GANREG_INLINE Contribution<V> operator()(const Logit<V>& logit) const { return {slope * logit.x, slope}; }

  GANREG_INLINE V curvature(const Logit<V>&) const { return V(0); }
};

#if defined(GANREG_FUNCTOR)
#include GANREG_FUNCTOR
#endif

}  // namespace
}  // namespace ganreg
