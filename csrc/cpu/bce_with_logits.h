// What every variant of the kernel offers: one block of logits in, its gradients and its sums out.  Torch-free.
#pragma once

#include <stdint.h>

#include "../sixteen_bit.h"

namespace ganreg {

// The sums over one block, and over all blocks of one side.
struct BceSums {
  double loss;
  double sigma;
  double logit;
  int64_t positive;    // logits > 0
  int64_t negative;    // logits < 0
  int64_t not_finite;  // infinite or nan
};

// grad[i] = factor * d loss(logits[i]) / d logits[i].  The target is first rounded to the logits' type; 16-bit logits
// are computed in float32 and rounded once.
void bce_with_logits_scalar(const double* logits /* [count] */, double target, double factor, int64_t count,
                            double* grad /* [count] */, BceSums* sums /* [1] */);
void bce_with_logits_scalar(const float* logits /* [count] */, float target, float factor, int64_t count,
                            float* grad /* [count] */, BceSums* sums /* [1] */);
void bce_with_logits_scalar(const Bfloat16* logits /* [count] */, float target, float factor, int64_t count,
                            Bfloat16* grad /* [count] */, BceSums* sums /* [1] */);
void bce_with_logits_scalar(const Float16* logits /* [count] */, float target, float factor, int64_t count,
                            Float16* grad /* [count] */, BceSums* sums /* [1] */);

}  // namespace ganreg
