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
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "../check.h"
#include "../face.h"
#include "../pointwise.h"
#include "cpu_features.h"
#include "populate.h"

namespace ganreg {
namespace {

Kernels find(const std::string& loss, ScalarType type) {
  const int number = loss_number(loss.c_str());
  STD_TORCH_CHECK(number >= 0, "expected the name of a fused loss, got '", loss, "'");
  const Storage storage = type == ScalarType::Double     ? Storage::float64
                          : type == ScalarType::BFloat16 ? Storage::bfloat16
                          : type == ScalarType::Half     ? Storage::float16
                                                         : Storage::float32;
  switch (cpu_variant()) {
#if defined(__x86_64__)
    case Variant::avx512:
      return pointwise_loss_avx512(number, storage);
    case Variant::avx2:
      return pointwise_loss_avx2(number, storage);
#endif
    default:
      return pointwise_loss_scalar(number, storage);
  }
}

Tensor dense(const Tensor& tensor) { return tensor.is_contiguous() ? tensor : torch::stable::contiguous(tensor); }

Tensor dense_like(const Tensor& tensor) {
  return dense_empty(tensor.dim(), tensor.sizes().data(), tensor.scalar_type(), tensor);
}

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

// What a caller says of one side.
struct Request {
  const Tensor& logits;
  const char* what;
  double target;
  Optional targets;
  Optional weights;
  bool in_place = false;
};

std::optional<Tensor> checked(Optional tensor, const Tensor& logits, const char* what) {
  if (!tensor) return std::nullopt;
  check_like(*tensor, logits, what);
  return dense(*tensor);
}

Side make_side(const Request& request, const Kernels& kernels, double pos_weight, double scale, Reduction reduction) {
  const Tensor& logits = request.logits;
  const int64_t count = logits.numel();
  Side side{dense(logits), request.in_place ? dense(logits) : dense_like(logits)};
  if (request.in_place) side.grad = side.logits;
  side.fresh = !request.in_place && static_cast<size_t>(count) * logits.element_size() >= kAlwaysFresh;
  side.targets = checked(request.targets, logits, "targets");
  side.weights = checked(request.weights, logits, "weights");
  if (reduction == Reduction::none) side.losses = dense_like(logits);
  side.kernel = side.targets || side.weights || pos_weight != 1.0 ? kernels.per_element : kernels.constant;
  side.whole = Block{count, side.logits.const_data_ptr()};
  side.whole.targets = read(side.targets);
  side.whole.weights = read(side.weights);
  side.whole.target = request.target;
  side.whole.pos_weight = pos_weight;
  side.whole.factor = reduction == Reduction::mean ? scale / static_cast<double>(count) : scale;
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

double number(const Tensor& tensor) {
  return tensor.scalar_type() == ScalarType::Double ? *static_cast<const double*>(tensor.const_data_ptr())
                                                    : *static_cast<const float*>(tensor.const_data_ptr());
}

double total_scale(double scale, Optional scale_tensor, const Tensor& logits) {
  if (!scale_tensor) return scale;
  check_number(*scale_tensor, logits, "scale");
  return scale * number(*scale_tensor);
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

// Contiguous results of the in-place form, back to where strided logits lie.
void put_back(const Side& side, const Tensor& logits, Optional fakes = std::nullopt) {
  const auto put = [](Tensor strided, const Tensor& grad) {
    if (!strided.is_contiguous()) torch::stable::copy_(strided, grad);
  };
  put(logits, side.grad);
  if (fakes) put(*fakes, *side.fake_grad);
}

struct Result {
  Tensor value, statistics;
  Side side;
  std::optional<Side> other;
};

Result run_single(const Request& request, const std::string& loss, bool is_real, double scale, Optional scale_tensor,
                  const std::string& reduction_name, double pos_weight) {
  check_logits(request.logits, request.what);
  const Reduction reduction = reduction_named(reduction_name);
  const double total = total_scale(scale, scale_tensor, request.logits);
  Side side = make_side(request, find(loss, request.logits.scalar_type()), pos_weight, total, reduction);
  launch(side, nullptr);
  const double exact = side.value(reduction);
  auto [value, finite] =
      reduction == Reduction::none ? std::pair{*side.losses, bool(isfinite(exact))} : make_value(request.logits, exact);
  const Seen nobody{nullptr, 0};
  Tensor statistics =
      make_statistics(request.logits, is_real ? seen(side) : nobody, is_real ? nobody : seen(side), finite);
  return {value, statistics, std::move(side), std::nullopt};
}

Result run_pair(const Request& real, const Request& fake, const std::string& loss, double scale, Optional scale_tensor,
                const std::string& reduction_name, double pos_weight) {
  check_logits(real.logits, real.what);
  check_logits(fake.logits, fake.what);
  check_same_dtype(real.logits, fake.logits);
  const Reduction reduction = reduction_named(reduction_name);
  STD_TORCH_CHECK(reduction != Reduction::none, "expected a reduction of mean or sum for two sides, got 'none'");
  const Kernels kernels = find(loss, real.logits.scalar_type());
  const double total = total_scale(scale, scale_tensor, real.logits);
  Side reals = make_side(real, kernels, pos_weight, total, reduction);
  Side fakes = make_side(fake, kernels, pos_weight, total, reduction);
  launch(reals, &fakes);
  auto [value, finite] = make_value(real.logits, reals.value(reduction) + fakes.value(reduction));
  Tensor statistics = make_statistics(real.logits, seen(reals), seen(fakes), finite);
  return {value, statistics, std::move(reals), std::move(fakes)};
}

Result run_paired(const Tensor& real, const Tensor& fake, const std::string& loss, double target, double scale,
                  Optional scale_tensor, const std::string& reduction_name, bool in_place) {
  check_logits(real, "real logits");
  check_like(fake, real, "fake logits");
  const Reduction reduction = reduction_named(reduction_name);
  const Kernels kernels = find(loss, real.scalar_type());
  const Request request{real, "real logits", target, std::nullopt, std::nullopt, in_place};
  Side pairs = make_side(request, kernels, 1.0, total_scale(scale, scale_tensor, real), reduction);
  pairs.kernel = kernels.paired;
  pairs.fakes = dense(fake);
  pairs.fake_grad = in_place ? pairs.fakes : dense_like(fake);
  pairs.whole.fakes = read(pairs.fakes);
  pairs.whole.fake_grad = write(pairs.fake_grad);
  launch(pairs, nullptr);
  const double exact = pairs.value(reduction);
  auto [value, finite] =
      reduction == Reduction::none ? std::pair{*pairs.losses, bool(isfinite(exact))} : make_value(real, exact);
  Tensor statistics = make_statistics(real, seen(pairs), seen_fakes(pairs), finite);
  return {value, statistics, std::move(pairs), std::nullopt};
}

std::tuple<Tensor, Tensor, Tensor> pointwise_loss(const Tensor& logits, const std::string& loss, double target,
                                                  bool is_real, double scale, std::optional<Tensor> scale_tensor,
                                                  const std::string& reduction, double pos_weight,
                                                  std::optional<Tensor> targets, std::optional<Tensor> weights) {
  Result result = run_single({logits, "logits", target, targets, weights}, loss, is_real, scale, scale_tensor,
                             reduction, pos_weight);
  return {result.value, result.side.grad, result.statistics};
}

std::tuple<Tensor, Tensor> pointwise_loss_(const Tensor& logits, const std::string& loss, double target, bool is_real,
                                           double scale, std::optional<Tensor> scale_tensor,
                                           const std::string& reduction, double pos_weight,
                                           std::optional<Tensor> targets, std::optional<Tensor> weights) {
  Result result = run_single({logits, "logits", target, targets, weights, true}, loss, is_real, scale, scale_tensor,
                             reduction, pos_weight);
  put_back(result.side, logits);
  return {result.value, result.statistics};
}

std::tuple<Tensor, Tensor, Tensor, Tensor> pointwise_loss_pair(
    const Tensor& real, const Tensor& fake, const std::string& loss, double real_target, double fake_target,
    double scale, std::optional<Tensor> scale_tensor, const std::string& reduction, double pos_weight,
    std::optional<Tensor> real_targets, std::optional<Tensor> real_weights, std::optional<Tensor> fake_targets,
    std::optional<Tensor> fake_weights) {
  Result result = run_pair({real, "real logits", real_target, real_targets, real_weights},
                           {fake, "fake logits", fake_target, fake_targets, fake_weights}, loss, scale, scale_tensor,
                           reduction, pos_weight);
  return {result.value, result.side.grad, result.other->grad, result.statistics};
}

std::tuple<Tensor, Tensor> pointwise_loss_pair_(const Tensor& real, const Tensor& fake, const std::string& loss,
                                                double real_target, double fake_target, double scale,
                                                std::optional<Tensor> scale_tensor, const std::string& reduction,
                                                double pos_weight, std::optional<Tensor> real_targets,
                                                std::optional<Tensor> real_weights, std::optional<Tensor> fake_targets,
                                                std::optional<Tensor> fake_weights) {
  Result result = run_pair({real, "real logits", real_target, real_targets, real_weights, true},
                           {fake, "fake logits", fake_target, fake_targets, fake_weights, true}, loss, scale,
                           scale_tensor, reduction, pos_weight);
  put_back(result.side, real);
  put_back(*result.other, fake);
  return {result.value, result.statistics};
}

std::tuple<Tensor, Tensor, Tensor, Tensor> paired_loss(const Tensor& real, const Tensor& fake, const std::string& loss,
                                                       double target, double scale, std::optional<Tensor> scale_tensor,
                                                       const std::string& reduction) {
  Result result = run_paired(real, fake, loss, target, scale, scale_tensor, reduction, false);
  return {result.value, result.side.grad, *result.side.fake_grad, result.statistics};
}

std::tuple<Tensor, Tensor> paired_loss_(const Tensor& real, const Tensor& fake, const std::string& loss, double target,
                                        double scale, std::optional<Tensor> scale_tensor,
                                        const std::string& reduction) {
  Result result = run_paired(real, fake, loss, target, scale, scale_tensor, reduction, true);
  put_back(result.side, real, fake);
  return {result.value, result.statistics};
}

// factor w f'(x) or factor w f''(x); the factor is one number, or one for each logit.
Tensor pointwise_derivative(const Tensor& logits, const Tensor& factor, int64_t order, const std::string& loss,
                            double target, double pos_weight, std::optional<Tensor> targets,
                            std::optional<Tensor> weights) {
  check_logits(logits, "logits");
  STD_TORCH_CHECK(order == 1 || order == 2, "expected a derivative of order 1 or 2, got ", order);
  const DerivativeKernel kernel = find(loss, logits.scalar_type()).derivative;
  const bool uniform = factor.dim() == 0 && is_number_type(factor.scalar_type());
  if (uniform) {
    check_number(factor, logits, "the factor");
  } else {
    check_like(factor, logits, "the factor");
  }
  const Tensor x = dense(logits), factors = dense(factor);
  const std::optional<Tensor> y = checked(targets, logits, "targets"), w = checked(weights, logits, "weights");
  Tensor result = dense_like(logits);
  Block whole{x.numel(), x.const_data_ptr()};
  whole.targets = read(y);
  whole.weights = read(w);
  whole.target = target;
  whole.pos_weight = pos_weight;
  whole.factor = uniform ? number(factor) : 1.0;
  whole.factors = uniform ? nullptr : factors.const_data_ptr();
  whole.grad = result.mutable_data_ptr();
  const size_t size = x.element_size();
  each_block((whole.count + kBlock - 1) / kBlock, whole.count,
             [&](int64_t block) { kernel(part_of(whole, block * kBlock, size), static_cast<int>(order)); });
  return result;
}

int64_t variant_in_use() { return static_cast<int64_t>(cpu_variant()); }

bool use_variant(int64_t variant) { return use_cpu_variant(static_cast<Variant>(variant)); }

}  // namespace
}  // namespace ganreg

STABLE_TORCH_LIBRARY_IMPL(ganreg, CPU, m) {
  m.impl("pointwise_loss", TORCH_BOX(&ganreg::pointwise_loss));
  m.impl("pointwise_loss_", TORCH_BOX(&ganreg::pointwise_loss_));
  m.impl("pointwise_loss_pair", TORCH_BOX(&ganreg::pointwise_loss_pair));
  m.impl("pointwise_loss_pair_", TORCH_BOX(&ganreg::pointwise_loss_pair_));
  m.impl("paired_loss", TORCH_BOX(&ganreg::paired_loss));
  m.impl("paired_loss_", TORCH_BOX(&ganreg::paired_loss_));
  m.impl("pointwise_derivative", TORCH_BOX(&ganreg::pointwise_derivative));
}

STABLE_TORCH_LIBRARY_FRAGMENT(ganreg, m) {
  m.def("_cpu_variant() -> int");
  m.def("_use_cpu_variant(int variant) -> bool");
}

STABLE_TORCH_LIBRARY_IMPL(ganreg, CompositeExplicitAutograd, m) {
  m.impl("_cpu_variant", TORCH_BOX(&ganreg::variant_in_use));
  m.impl("_use_cpu_variant", TORCH_BOX(&ganreg::use_variant));
}
