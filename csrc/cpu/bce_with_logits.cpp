// Binary cross-entropy with logits on the CPU: value, gradients and statistics in one pass over the logits.
//
// A side of the game (reals or fakes) is cut into blocks of 4096 logits in index order; a block gives fp64 sums, and a
// fixed pairwise tree joins them.  Threads decide only who computes a block: the same logits give the same bits.
#include "bce_with_logits.h"

#include <math.h>
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>
#include <torch/headeronly/core/ScalarType.h>

#include <optional>
#include <tuple>
#include <vector>

#include "../check.h"

namespace ganreg {
namespace {

constexpr int64_t kBlock = 4096;
constexpr int64_t kStatistics = 8;  // the slots of ganreg.contracts.STATISTICS

// One side while it is computed.
struct Side {
  Tensor logits;  // contiguous
  Tensor grad;    // contiguous, the logits' shape and dtype
  double target;
  double factor;  // of the derivatives: scale / count
  std::vector<BceSums> sums;

  int64_t count() const { return logits.numel(); }
  int64_t blocks() const { return static_cast<int64_t>(sums.size()); }
  double mean(double BceSums::* sum) const { return empty() ? NAN : sums[0].*sum / static_cast<double>(count()); }
  double mean(int64_t BceSums::* sum) const {
    return empty() ? NAN : static_cast<double>(sums[0].*sum) / static_cast<double>(count());
  }
  double mean_sign() const {
    return empty() ? NAN : static_cast<double>(sums[0].positive - sums[0].negative) / static_cast<double>(count());
  }
  bool empty() const { return sums.empty(); }
  bool finite() const { return empty() || sums[0].not_finite == 0; }
};

Side make_side(const Tensor& logits, double target, double scale) {
  const int64_t count = logits.numel();
  return {torch::stable::contiguous(logits), torch::stable::new_empty(logits, logits.sizes()), target,
          scale / static_cast<double>(count), std::vector<BceSums>((count + kBlock - 1) / kBlock)};
}

template <typename Storage, typename Real>
void run_block(Side& side, int64_t block) {
  const int64_t begin = block * kBlock;
  const int64_t left = side.count() - begin;
  bce_with_logits_scalar(static_cast<const Storage*>(side.logits.const_data_ptr()) + begin,
                         static_cast<Real>(side.target), static_cast<Real>(side.factor), left < kBlock ? left : kBlock,
                         static_cast<Storage*>(side.grad.mutable_data_ptr()) + begin, &side.sums[block]);
}

void run_block(Side& side, int64_t block) {
  switch (side.logits.scalar_type()) {
    case ScalarType::Double:
      return run_block<double, double>(side, block);
    case ScalarType::BFloat16:
      return run_block<Bfloat16, float>(side, block);
    case ScalarType::Half:
      return run_block<Float16, float>(side, block);
    default:
      return run_block<float, float>(side, block);
  }
}

// Joins neighbours, then neighbours of those, …; the total is left in sums[0].
void join_blocks(std::vector<BceSums>& sums) {
  const size_t count = sums.size();
  for (size_t step = 1; step < count; step *= 2) {
    for (size_t i = 0; i + step < count; i += 2 * step) {
      BceSums& left = sums[i];
      const BceSums& right = sums[i + step];
      left = {left.loss + right.loss,         left.sigma + right.sigma,       left.logit + right.logit,
              left.positive + right.positive, left.negative + right.negative, left.not_finite + right.not_finite};
    }
  }
}

// Both sides share one parallel loop; `fake` may be null.
void launch(Side& real, Side* fake) {
  const int64_t blocks = real.blocks() + (fake ? fake->blocks() : 0);
  const int64_t count = real.count() + (fake ? fake->count() : 0);
  const int64_t blocks_per_thread = count <= kBlock ? blocks : 1;  // so few logits are not worth waking a thread
  torch::stable::parallel_for(0, blocks, blocks_per_thread, [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block) {
      if (block < real.blocks()) {
        run_block(real, block);
      } else {
        run_block(*fake, block - real.blocks());
      }
    }
  });
  join_blocks(real.sums);
  if (fake) join_blocks(fake->sums);
}

double number(const Tensor& tensor) {
  return tensor.scalar_type() == ScalarType::Double ? *static_cast<const double*>(tensor.const_data_ptr())
                                                    : *static_cast<const float*>(tensor.const_data_ptr());
}

double total_scale(double scale, const std::optional<Tensor>& scale_tensor) {
  if (!scale_tensor) return scale;
  check_number(*scale_tensor, "scale");
  return scale * number(*scale_tensor);
}

// The mean, rounded once: float64 for float64 logits, else float32.  Returns whether the rounded value is finite, too.
std::pair<Tensor, bool> make_value(const Tensor& logits, double mean) {
  if (logits.scalar_type() == ScalarType::Double) {
    Tensor value = torch::stable::new_empty(logits, {});
    *static_cast<double*>(value.mutable_data_ptr()) = mean;
    return {value, isfinite(mean)};
  }
  Tensor value = torch::stable::new_empty(logits, {}, ScalarType::Float);
  const float rounded = static_cast<float>(mean);
  *static_cast<float*>(value.mutable_data_ptr()) = rounded;
  return {value, isfinite(rounded)};
}

// Either side may be null; its slots are nan.
Tensor make_statistics(const Tensor& logits, const Side* real, const Side* fake, bool finite) {
  Tensor statistics = torch::stable::new_empty(logits, {kStatistics}, ScalarType::Float);
  float* slots = static_cast<float*>(statistics.mutable_data_ptr());
  slots[0] = real ? real->mean(&BceSums::sigma) : NAN;
  slots[1] = fake ? fake->mean(&BceSums::sigma) : NAN;
  slots[2] = real ? real->mean(&BceSums::positive) : NAN;
  slots[3] = fake ? fake->mean(&BceSums::negative) : NAN;
  slots[4] = real ? real->mean_sign() : NAN;
  slots[5] = real ? real->mean(&BceSums::logit) : NAN;
  slots[6] = fake ? fake->mean(&BceSums::logit) : NAN;
  slots[7] = finite && (!real || real->finite()) && (!fake || fake->finite());
  return statistics;
}

std::tuple<Tensor, Tensor, Tensor, Tensor> bce_with_logits_pair(const Tensor& real, const Tensor& fake,
                                                                double real_target, double fake_target, double scale,
                                                                std::optional<Tensor> scale_tensor) {
  check_logits(real, "real logits");
  check_logits(fake, "fake logits");
  check_same_dtype(real, fake);
  const double total = total_scale(scale, scale_tensor);
  Side reals = make_side(real, real_target, total);
  Side fakes = make_side(fake, fake_target, total);
  launch(reals, &fakes);
  const auto [value, finite] = make_value(real, reals.mean(&BceSums::loss) + fakes.mean(&BceSums::loss));
  return {value, reals.grad, fakes.grad, make_statistics(real, &reals, &fakes, finite)};
}

std::tuple<Tensor, Tensor, Tensor> bce_with_logits(const Tensor& logits, double target, bool is_real, double scale,
                                                   std::optional<Tensor> scale_tensor) {
  check_logits(logits, "logits");
  Side side = make_side(logits, target, total_scale(scale, scale_tensor));
  launch(side, nullptr);
  const auto [value, finite] = make_value(logits, side.mean(&BceSums::loss));
  return {value, side.grad, make_statistics(logits, is_real ? &side : nullptr, is_real ? nullptr : &side, finite)};
}

Tensor bce_with_logits_backward(const Tensor& logits, const Tensor& grad_value, double target) {
  check_logits(logits, "logits");
  check_number(grad_value, "the gradient of the value");
  Side side = make_side(logits, target, number(grad_value));
  launch(side, nullptr);
  return side.grad;
}

}  // namespace
}  // namespace ganreg

STABLE_TORCH_LIBRARY_IMPL(ganreg, CPU, m) {
  m.impl("bce_with_logits_pair", TORCH_BOX(&ganreg::bce_with_logits_pair));
  m.impl("bce_with_logits", TORCH_BOX(&ganreg::bce_with_logits));
  m.impl("bce_with_logits_backward", TORCH_BOX(&ganreg::bce_with_logits_backward));
}
