// The losses' arithmetic, one functor each: the only place a formula is written down in C++, shared by every backend.
//
// Torch-free, and all in the unnamed namespace: a variant compiled for a newer processor must keep its own copy, since
// the linker may otherwise keep that copy for every processor.  For the same reason the C functions of math.h are
// called, not the inline overloads of <cmath>.
#pragma once

#include <math.h>

#ifdef __CUDACC__
#define GANREG_INLINE __host__ __device__ inline
#else
#define GANREG_INLINE inline
#endif

namespace ganreg {
namespace {

GANREG_INLINE float exponential(float x) { return expf(x); }
GANREG_INLINE double exponential(double x) { return exp(x); }
GANREG_INLINE float log_of_one_plus(float x) { return log1pf(x); }
GANREG_INLINE double log_of_one_plus(double x) { return log1p(x); }
GANREG_INLINE float magnitude(float x) { return fabsf(x); }
GANREG_INLINE double magnitude(double x) { return fabs(x); }

// What one logit contributes.
template <typename Real>
struct Pointwise {
  Real loss;
  Real derivative;  // of the loss by the logit
  Real sigma;       // the probability of "real" that the logit stands for
};

// Binary cross-entropy of sigma(x) against the target y, from the logit x:
//
//     e = exp(-|x|)     c = x >= 0 ? 1 - y : y
//     loss       = |x| c + log1p(e)
//     derivative = x >= 0 ? ((1 - y) - y e) / (1 + e) : (e (1 - y) - y) / (1 + e)
//
// For 0 <= y <= 1 no term of the loss is negative, so nothing cancels: a confident, right answer keeps its small loss
// and its small gradient, where (1 - y) x - logsigmoid(x) and sigma(x) - y round to 0.
template <typename Real>
struct BceWithLogits {
  Real target;

  GANREG_INLINE Pointwise<Real> operator()(Real x) const {
    const Real one = 1;
    const Real e = exponential(-magnitude(x));
    const bool positive = x >= 0;
    const Real c = positive ? one - target : target;
    const Real linear = c == 0 ? Real(0) : magnitude(x) * c;  // keeps inf * 0 out
    const Real numerator = positive ? (one - target) - target * e : e * (one - target) - target;
    return {linear + log_of_one_plus(e), numerator / (one + e), (positive ? one : e) / (one + e)};
  }
};

}  // namespace
}  // namespace ganreg
