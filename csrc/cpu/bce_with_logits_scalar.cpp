// Scalar variant: the definition of right for every other one, and the tail of each.
//
// Element i of a block is added to lane i % 8 and the lanes are joined by a fixed tree: the order of additions depends
// on nothing but the index, and eight short sums lose less than one long one.
#include "../pointwise.h"
#include "bce_with_logits.h"

namespace ganreg {
namespace {

constexpr int kLanes = 8;

inline double join(const double* lanes /* [kLanes] */) {
  return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

template <typename Storage, typename Real>
void run(const Storage* logits /* [count] */, Real target, Real factor, int64_t count, Storage* grad /* [count] */,
         BceSums* sums /* [1] */) {
  Storage rounded_target;
  narrow(target, &rounded_target);
  const BceWithLogits<Real> bce{widen(rounded_target)};
  double loss[kLanes] = {}, sigma[kLanes] = {}, logit[kLanes] = {};
  int64_t positive = 0, negative = 0, not_finite = 0;
  for (int64_t i = 0; i < count; ++i) {
    const Real x = widen(logits[i]);
    const Pointwise<Real> point = bce(x);
    narrow(factor * point.derivative, &grad[i]);
    const int lane = i % kLanes;
    loss[lane] += point.loss;
    sigma[lane] += point.sigma;
    logit[lane] += x;
    positive += x > 0;
    negative += x < 0;
    not_finite += !(x - x == 0);  // inf - inf is nan
  }
  *sums = {join(loss), join(sigma), join(logit), positive, negative, not_finite};
}

}  // namespace

void bce_with_logits_scalar(const double* logits, double target, double factor, int64_t count, double* grad,
                            BceSums* sums) {
  run(logits, target, factor, count, grad, sums);
}

void bce_with_logits_scalar(const float* logits, float target, float factor, int64_t count, float* grad,
                            BceSums* sums) {
  run(logits, target, factor, count, grad, sums);
}

void bce_with_logits_scalar(const Bfloat16* logits, float target, float factor, int64_t count, Bfloat16* grad,
                            BceSums* sums) {
  run(logits, target, factor, count, grad, sums);
}

void bce_with_logits_scalar(const Float16* logits, float target, float factor, int64_t count, Float16* grad,
                            BceSums* sums) {
  run(logits, target, factor, count, grad, sums);
}

}  // namespace ganreg
