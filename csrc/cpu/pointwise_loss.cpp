// Pointwise losses on the CPU: value, gradients and statistics in one pass over the logits.
//
// A side of the game (reals or fakes) is cut into blocks of 4096 logits in index order; a block gives fp64 sums, and a
// fixed pairwise tree joins them.  Threads decide only who computes a block: the same logits give the same bits.
#include "pointwise_loss.h"

#include <math.h>
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>
#include <torch/headeronly/core/ScalarType.h>

#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "../operators.h"
#include "cpu_features.h"
#include "populate.h"

namespace ganreg {
namespace {

Kernels find(int loss, ScalarType type) {
  const Storage storage = type == ScalarType::Double     ? Storage::float64
                          : type == ScalarType::BFloat16 ? Storage::bfloat16
                          : type == ScalarType::Half     ? Storage::float16
                                                         : Storage::float32;
  switch (cpu_variant()) {
    case Variant::refused:
      STD_TORCH_CHECK(false, "GANREG_CPU asked for instructions that this processor lacks: unset it and start again");
#if defined(__x86_64__)
    case Variant::avx512:
      return pointwise_loss_avx512(loss, storage);
    case Variant::avx2:
      return pointwise_loss_avx2(loss, storage);
#endif
    default:
      return pointwise_loss_scalar(loss, storage);
  }
}

Tensor dense(const Tensor& tensor) { return tensor.is_contiguous() ? tensor : torch::stable::contiguous(tensor); }

// One side of the game, or both as pairs, while it is computed.  Holds the tensors that its block points into.
struct Side {
  Tensor logits, grad;
  std::optional<Tensor> fakes, fake_grad, targets, weights, losses;
  LossKernel kernel;
  Block whole;  // of which each block is a part
  std::vector<BlockSums> sums;
  bool fresh = false;  // the gradient lies in memory that was never touched

  int64_t count() const { return whole.count; }
  int64_t blocks() const { return static_cast<int64_t>(sums.size()); }
  bool empty() const { return sums.empty(); }

  double value(Reduction reduction) const {
    if (reduction == Reduction::mean) return empty() ? NAN : sums[0].loss / static_cast<double>(count());
    return empty() ? 0.0 : sums[0].loss;
  }
};

Block part_of(const Block& whole, int64_t begin, size_t size) {
  Block part = whole;
  const auto forward = [&](auto& pointer) {
    using Byte =
        std::conditional_t<std::is_const_v<std::remove_pointer_t<std::decay_t<decltype(pointer)>>>, const char, char>;
    if (pointer) pointer = static_cast<Byte*>(pointer) + static_cast<size_t>(begin) * size;
  };
  forward(part.logits);
  forward(part.fakes);
  forward(part.targets);
  forward(part.weights);
  forward(part.factors);
  forward(part.grad);
  forward(part.fake_grad);
  forward(part.losses);
  part.count = whole.count - begin < kBlock ? whole.count - begin : kBlock;
  return part;
}

std::optional<Tensor> dense(Optional tensor) { return tensor ? std::optional(dense(*tensor)) : std::nullopt; }

double number(const Tensor& tensor) {
  return tensor.scalar_type() == ScalarType::Double ? *static_cast<const double*>(tensor.const_data_ptr())
                                                    : *static_cast<const float*>(tensor.const_data_ptr());
}

Side make_side(const Given& given, const Common& common, const Kernels& kernels) {
  const Tensor x = dense(given.logits);
  const int64_t count = x.numel();
  Side side{x, common.in_place ? x : dense_like(x)};
  side.fresh = !common.in_place && static_cast<size_t>(count) * x.element_size() >= kAlwaysFresh;
  side.targets = dense(given.targets);
  side.weights = dense(given.weights);
  if (common.reduction == Reduction::none) side.losses = dense_like(x);
  side.kernel = side.targets || side.weights || common.pos_weight != 1.0 ? kernels.per_element
                : given.target == 0.0 || given.target == 1.0             ? kernels.certain
                                                                         : kernels.constant;
  side.whole = Block{count, x.const_data_ptr()};
  side.whole.targets = read(side.targets);
  side.whole.weights = read(side.weights);
  side.whole.target = given.target;
  side.whole.pos_weight = common.pos_weight;
  const double scale = common.scale * (common.scale_tensor ? number(*common.scale_tensor) : 1.0);
  side.whole.factor = common.reduction == Reduction::mean ? scale / static_cast<double>(count) : scale;
  side.whole.grad = side.grad.mutable_data_ptr();
  side.whole.losses = write(side.losses);
  side.sums.resize(static_cast<size_t>((count + kBlock - 1) / kBlock));
  return side;
}

// Joins neighbours, then neighbours of those, …; the total is left in sums[0].
void join_blocks(std::vector<BlockSums>& sums) {
  for (size_t step = 1; step < sums.size(); step *= 2) {
    for (size_t i = 0; i + step < sums.size(); i += 2 * step) sums[i].join(sums[i + step]);
  }
}

// Calls `run(block)` for every block, from several threads where there are more logits than one block.
template <typename Run>
void each_block(int64_t blocks, int64_t count, Run run) {
  const int64_t blocks_per_thread = count <= kBlock ? blocks : 1;  // so few logits are not worth waking a thread
  torch::stable::parallel_for(0, blocks, blocks_per_thread, [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block)
      run(blocks - 1 - block);  // the larger share has the short last one
  });
}

constexpr int64_t kGroup = 16;  // blocks whose memory is taken at once, and still in the cache when they are written

// Both sides share one parallel loop; `other` may be null.
void launch(Side& side, Side* other) {
  const size_t size = side.logits.element_size();
  const int64_t first = side.blocks();
  each_block(first + (other ? other->blocks() : 0), side.count() + (other ? other->count() : 0), [&](int64_t block) {
    Side& its = block < first ? side : *other;
    const int64_t index = block < first ? block : block - first;
    const Block part = part_of(its.whole, index * kBlock, size);
    if (its.fresh && index % kGroup == kGroup - 1) {  // blocks come from the back: the first of a group
      const size_t before = static_cast<size_t>((kGroup - 1) * kBlock) * size;
      populate(static_cast<char*>(part.grad) - before, before + static_cast<size_t>(part.count) * size);
    }
    its.kernel(part, &its.sums[static_cast<size_t>(index)]);
  });
  join_blocks(side.sums);
  if (other) join_blocks(other->sums);
}

// The reduced value, rounded once: float64 for float64 logits, else float32.  Returns whether it is finite rounded,
// too.
std::pair<Tensor, bool> make_value(const Tensor& logits, double exact) {
  if (logits.scalar_type() == ScalarType::Double) {
    Tensor value = dense_empty(0, nullptr, ScalarType::Double, logits);
    *static_cast<double*>(value.mutable_data_ptr()) = exact;
    return {value, isfinite(exact)};
  }
  Tensor value = dense_empty(0, nullptr, ScalarType::Float, logits);
  const float rounded = static_cast<float>(exact);
  *static_cast<float*>(value.mutable_data_ptr()) = rounded;
  return {value, isfinite(rounded)};
}

std::pair<Tensor, bool> value_of(const Side& side, const Common& common) {
  const double exact = side.value(common.reduction);
  if (common.reduction == Reduction::none) return {*side.losses, make_value(side.logits, exact).second};
  return make_value(side.logits, exact);
}

// The sums of one side, or null where it is absent or empty: its slots are nan.
struct Seen {
  const SideSums* sums;
  double count;

  double mean(double total) const { return sums ? total / count : NAN; }
};

Seen seen(const Side& side) { return {side.empty() ? nullptr : &side.sums[0].side, static_cast<double>(side.count())}; }
Seen seen_fakes(const Side& pairs) {
  return {pairs.empty() ? nullptr : &pairs.sums[0].other, static_cast<double>(pairs.count())};
}

Tensor make_statistics(const Tensor& logits, Seen real, Seen fake, bool finite) {
  static constexpr SideSums nothing{NAN, NAN, 0, 0, true};
  const SideSums& r = real.sums ? *real.sums : nothing;
  const SideSums& f = fake.sums ? *fake.sums : nothing;
  Tensor statistics = dense_empty(1, &kStatistics, ScalarType::Float, logits);
  float* slots = static_cast<float*>(statistics.mutable_data_ptr());
  slots[0] = static_cast<float>(real.mean(r.sigma));
  slots[1] = static_cast<float>(fake.mean(f.sigma));
  slots[2] = static_cast<float>(real.mean(static_cast<double>(r.positive)));
  slots[3] = static_cast<float>(fake.mean(static_cast<double>(f.negative)));
  slots[4] = static_cast<float>(real.mean(static_cast<double>(r.positive - r.negative)));
  slots[5] = static_cast<float>(real.mean(r.logit));
  slots[6] = static_cast<float>(fake.mean(f.logit));
  slots[7] = finite && r.finite && f.finite;
  return statistics;
}

// The in-place form's contiguous results, back to where strided logits lie.
void put_back(Tensor logits, const Tensor& grad) {
  if (!logits.is_contiguous()) torch::stable::copy_(logits, grad);
}

struct Cpu {
  struct Guard {
    explicit Guard(const Tensor&) {}
  };

  static Outcome single(const Given& given, const Common& common, bool is_real) {
    const Tensor& logits = given.logits;
    Side side = make_side(given, common, find(common.loss, logits.scalar_type()));
    launch(side, nullptr);
    auto [value, finite] = value_of(side, common);
    const Seen nobody{nullptr, 0};
    const Tensor statistics =
        make_statistics(logits, is_real ? seen(side) : nobody, is_real ? nobody : seen(side), finite);
    if (common.in_place) put_back(logits, side.grad);
    return {value, statistics, side.grad, std::nullopt};
  }

  static Outcome pair(const Given& real, const Given& fake, const Common& common) {
    const Kernels kernels = find(common.loss, real.logits.scalar_type());
    Side reals = make_side(real, common, kernels), fakes = make_side(fake, common, kernels);
    launch(reals, &fakes);
    auto [value, finite] = make_value(real.logits, reals.value(common.reduction) + fakes.value(common.reduction));
    const Tensor statistics = make_statistics(real.logits, seen(reals), seen(fakes), finite);
    if (common.in_place) put_back(real.logits, reals.grad);
    if (common.in_place) put_back(fake.logits, fakes.grad);
    return {value, statistics, reals.grad, fakes.grad};
  }

  static Outcome paired(const Given& real, const Tensor& fake, const Common& common) {
    const Kernels kernels = find(common.loss, real.logits.scalar_type());
    Side pairs = make_side(real, common, kernels);
    pairs.kernel = kernels.paired;
    pairs.fakes = dense(fake);
    pairs.fake_grad = common.in_place ? *pairs.fakes : dense_like(fake);
    pairs.whole.fakes = read(pairs.fakes);
    pairs.whole.fake_grad = write(pairs.fake_grad);
    launch(pairs, nullptr);
    auto [value, finite] = value_of(pairs, common);
    const Tensor statistics = make_statistics(real.logits, seen(pairs), seen_fakes(pairs), finite);
    if (common.in_place) put_back(real.logits, pairs.grad);
    if (common.in_place) put_back(fake, *pairs.fake_grad);
    return {value, statistics, pairs.grad, pairs.fake_grad};
  }

  static Tensor derivative(const Given& given, const Tensor& factor, bool uniform, int order, const Common& common) {
    const DerivativeKernel kernel = find(common.loss, given.logits.scalar_type()).derivative;
    const Tensor x = dense(given.logits), factors = dense(factor), result = dense_like(x);
    const std::optional<Tensor> targets = dense(given.targets), weights = dense(given.weights);
    Block whole{x.numel(), x.const_data_ptr()};
    whole.targets = read(targets);
    whole.weights = read(weights);
    whole.target = given.target;
    whole.pos_weight = common.pos_weight;
    whole.factor = uniform ? number(factor) : 1.0;
    whole.factors = uniform ? nullptr : factors.const_data_ptr();
    whole.grad = result.mutable_data_ptr();
    const size_t size = x.element_size();
    each_block((whole.count + kBlock - 1) / kBlock, whole.count,
               [&](int64_t block) { kernel(part_of(whole, block * kBlock, size), order); });
    return result;
  }
};

int64_t variant_in_use() { return static_cast<int64_t>(cpu_variant()); }

bool use_variant(int64_t variant) { return use_cpu_variant(static_cast<Variant>(variant)); }

}  // namespace
}  // namespace ganreg

STABLE_TORCH_LIBRARY_IMPL(ganreg, CPU, m) { ganreg::Operators<ganreg::Cpu>::implement(m); }

STABLE_TORCH_LIBRARY_FRAGMENT(ganreg, m) {
  m.def("_cpu_variant() -> int");
  m.def("_use_cpu_variant(int variant) -> bool");
}

STABLE_TORCH_LIBRARY_IMPL(ganreg, CompositeExplicitAutograd, m) {
  m.impl("_cpu_variant", TORCH_BOX(&ganreg::variant_in_use));
  m.impl("_use_cpu_variant", TORCH_BOX(&ganreg::use_variant));
}
