// What every variant of the kernel offers: one block of logits in, its gradients and its sums out.  Torch-free.
#pragma once

#include <stdint.h>

namespace ganreg {

constexpr int64_t kBlock = 4096;  // logits

enum class Storage : int { float64, float32, bfloat16, float16 };

// A block of at most kBlock elements, all of one storage type.  16-bit numbers are computed in float32 and rounded
// once; the constants are first rounded to the type that the computing is done in, the target to the storage type.
struct Block {
  int64_t count;
  const void* logits;             // [count]
  const void* fakes = nullptr;    // [count], paired form: the loss is of logits - fakes
  const void* targets = nullptr;  // [count] instead of `target`
  const void* weights = nullptr;  // [count]
  double target;
  double pos_weight;
  double factor;                  // of the gradients
  const void* factors = nullptr;  // [count], derivative form: instead of `factor`
  void* grad;                     // [count]; may be `logits`
  void* fake_grad = nullptr;      // [count], paired form: minus `grad`; may be `fakes`
  void* losses = nullptr;         // [count] or null
};

// The sums over one block, and over all blocks of one side.
struct SideSums {
  double sigma;
  double logit;
  int64_t positive;  // logits > 0
  int64_t negative;  // logits < 0
  bool finite;       // every logit is

  void join(const SideSums& right) {
    sigma += right.sigma;
    logit += right.logit;
    positive += right.positive;
    negative += right.negative;
    finite &= right.finite;
  }
};

struct BlockSums {
  double loss;
  SideSums side;   // of the logits
  SideSums other;  // of the fakes, paired form

  void join(const BlockSums& right) {
    loss += right.loss;
    side.join(right.side);
    other.join(right.other);
  }
};

// grad[i] = factor * w d loss(x) / dx, and the sums
using LossKernel = void (*)(const Block& block, BlockSums* sums);

// grad[i] = factor * w d^order loss(x) / dx^order, order 1 or 2
using DerivativeKernel = void (*)(const Block& block, int order);

// The kernels of a variant for one loss and one storage type.
struct Kernels {
  LossKernel constant;     // one target, no weights
  LossKernel certain;      // the same for a target of 0 or 1
  LossKernel per_element;  // targets, weights, pos_weight
  LossKernel paired;
  DerivativeKernel derivative;
};

// `loss` is the loss's place in GANREG_LOSSES.
Kernels pointwise_loss_scalar(int loss, Storage storage);
Kernels pointwise_loss_avx2(int loss, Storage storage);
Kernels pointwise_loss_avx512(int loss, Storage storage);

}  // namespace ganreg
