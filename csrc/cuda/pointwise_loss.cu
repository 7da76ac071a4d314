// Pointwise losses on CUDA: the torch face of pointwise_loss_kernels.h, with the signatures of the CPU's.
//
// One launch, or a second one of one block where there are more logits than a block takes alone; all on the current
// stream.  No tensor is read on the host, so that a call waits for nothing and can be captured into a graph.
#include <cuda_runtime.h>
#include <math.h>
#include <torch/csrc/inductor/aoti_torch/c/shim.h>
#include <torch/csrc/stable/accelerator.h>
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/macros.h>
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
#include "pointwise_loss_kernels.h"

namespace ganreg {
namespace {

// --- launches ---

int64_t chunks_of(int64_t count) { return (count + kChunk - 1) / kChunk; }

unsigned blocks_for(int64_t chunks) { return static_cast<unsigned>(chunks < kMostBlocks ? chunks : kMostBlocks); }

template <template <typename> class Loss, typename Number>
void launch_loss(Form form, const Request& request, const Lays<Strided>& lays, unsigned blocks, cudaStream_t stream) {
  switch (form) {
    case Form::constant:
      loss_kernel<Loss, Number, Form::constant, Dense><<<blocks, kThreads, 0, stream>>>(request, Lays<Dense>{});
      break;
    case Form::per_element:
      loss_kernel<Loss, Number, Form::per_element, Strided><<<blocks, kThreads, 0, stream>>>(request, lays);
      break;
    case Form::paired:
      loss_kernel<Loss, Number, Form::paired, Strided><<<blocks, kThreads, 0, stream>>>(request, lays);
      break;
  }
  STD_CUDA_KERNEL_LAUNCH_CHECK();
}

template <template <typename> class Loss, typename Number>
void launch_derivative(const Side& side, const Strided& lay, int order, cudaStream_t stream) {
  const int64_t chunks = chunks_of(side.count);
  derivative_kernel<Loss, Number><<<blocks_for(chunks), kThreads, 0, stream>>>(side, lay, chunks, order);
  STD_CUDA_KERNEL_LAUNCH_CHECK();
}

struct Launches {
  void (*loss)(Form, const Request&, const Lays<Strided>&, unsigned blocks, cudaStream_t);
  void (*derivative)(const Side&, const Strided&, int order, cudaStream_t);
};

template <template <typename> class Loss, typename Number>
Launches launches_of() {
  return {launch_loss<Loss, Number>, launch_derivative<Loss, Number>};
}

template <template <typename> class Loss>
Launches launches_for(ScalarType type) {
  switch (type) {
    case ScalarType::Double:
      return launches_of<Loss, double>();
    case ScalarType::BFloat16:
      return launches_of<Loss, __nv_bfloat16>();
    case ScalarType::Half:
      return launches_of<Loss, __half>();
    default:
      return launches_of<Loss, float>();
  }
}

Launches find(const std::string& loss, ScalarType type) {
  using Table = Launches (*)(ScalarType);
#define GANREG_LAUNCHES(Loss, its_name) launches_for<Loss>,
  static constexpr Table table[] = {GANREG_LOSSES(GANREG_LAUNCHES)};
#undef GANREG_LAUNCHES
  const int number = loss_number(loss.c_str());
  STD_TORCH_CHECK(number >= 0, "expected the name of a fused loss, got '", loss, "'");
  return table[number](type);
}

// --- tensors ---

cudaStream_t stream_of(const Tensor& logits) {
  void* stream;
  STABLE_TORCH_ERROR_CODE_CHECK(aoti_torch_get_current_cuda_stream(logits.get_device_index(), &stream));
  return static_cast<cudaStream_t>(stream);
}

Tensor dense_like(const Tensor& tensor) {
  return dense_empty(tensor.dim(), tensor.sizes().data(), tensor.scalar_type(), tensor);
}

// A kernel walks the strides of up to kDims dimensions.
bool reachable(const Tensor& tensor) { return tensor.dim() <= kDims || tensor.is_contiguous(); }
Tensor reach(const Tensor& tensor) { return reachable(tensor) ? tensor : torch::stable::contiguous(tensor); }

std::optional<Tensor> checked(Optional tensor, const Tensor& logits, const char* what) {
  if (!tensor) return std::nullopt;
  check_like(*tensor, logits, what);
  return reach(*tensor);
}

// Holds the tensors of a side until its kernel is launched; what is freed then is reused in the order of the stream.
struct SideTensors {
  Tensor logits, grad;
  std::optional<Tensor> fakes, targets, weights, factors, fake_grad, losses;
  double target = 0, pos_weight = 1;
  Factor factor{1};

  Side side() const {
    return {
        logits.numel(),          logits.const_data_ptr(), read(fakes),   read(targets), read(weights), read(factors),
        grad.mutable_data_ptr(), write(fake_grad),        write(losses), target,        pos_weight,    factor};
  }

  // Neighbouring dimensions are joined where all tensors allow it.
  Strided lay() const;
};

Strided SideTensors::lay() const {
  const Tensor* views[kViews] = {};
  views[kLogits] = &logits;
  views[kGrad] = &grad;
  const auto see = [&](View view, Optional tensor) { views[view] = tensor ? &*tensor : nullptr; };
  see(kFakes, fakes);
  see(kTargets, targets);
  see(kWeights, weights);
  see(kFactors, factors);
  see(kFakeGrad, fake_grad);
  see(kLosses, losses);

  Strided lay{};
  bool any_strided = false;
  for (int view = 0; view < kViews; ++view) {
    if (!views[view]) continue;
    const bool aligned = reinterpret_cast<uintptr_t>(views[view]->const_data_ptr()) % 16 == 0;
    lay.walk[view] = !views[view]->is_contiguous() ? Strided::Walk::strides
                     : aligned                     ? Strided::Walk::vectors
                                                   : Strided::Walk::ordered;
    any_strided |= lay.walk[view] == Strided::Walk::strides;
  }
  if (!any_strided) return lay;
  for (int64_t dim = 0; dim < logits.dim(); ++dim) {
    const int64_t size = logits.size(dim);
    if (size == 1) continue;
    bool joins = lay.dims > 0;
    for (int view = 0; view < kViews; ++view) {
      joins = joins && (!views[view] || lay.strides[view][lay.dims - 1] == size * views[view]->stride(dim));
    }
    if (!joins) lay.sizes[lay.dims++] = 1;
    lay.sizes[lay.dims - 1] *= size;
    for (int view = 0; view < kViews; ++view) {
      if (views[view]) lay.strides[view][lay.dims - 1] = views[view]->stride(dim);
    }
  }
  return lay;
}

bool is_dense(const SideTensors& tensors, const Strided& lay) {
  const auto in_vectors = [&](View view) { return lay.walk[view] == Strided::Walk::vectors; };
  return in_vectors(kLogits) && in_vectors(kGrad) && (!tensors.losses || in_vectors(kLosses));
}

// --- requests ---

// A number that stays on the device.
void point_at(Factor* factor, const Tensor& number) {
  factor->scale = number.const_data_ptr();
  factor->scale_is_double = number.scalar_type() == ScalarType::Double;
}

// What a caller says of all sides.
struct Common {
  const std::string& loss;
  double scale;
  Optional scale_tensor;
  Reduction reduction;
  double pos_weight = 1.0;
};

// What a caller says of one side.
struct Given {
  const Tensor& logits;
  const char* what;
  double target;
  Optional targets;
  Optional weights;
  bool in_place = false;
};

SideTensors make_side(const Given& given, const Common& common) {
  const Tensor& logits = given.logits;
  const Tensor x = reach(logits);
  SideTensors side{x, given.in_place ? x : dense_like(x)};
  side.targets = checked(given.targets, logits, "targets");
  side.weights = checked(given.weights, logits, "weights");
  if (common.reduction == Reduction::none) side.losses = dense_like(logits);
  side.target = given.target;
  side.pos_weight = common.pos_weight;
  const double divisor = common.reduction == Reduction::mean ? static_cast<double>(logits.numel()) : 1.0;
  side.factor = Factor{common.scale / divisor};
  if (common.scale_tensor) {
    check_number(*common.scale_tensor, logits, "scale");
    side.factor = Factor{common.scale, divisor};
    point_at(&side.factor, *common.scale_tensor);
  }
  return side;
}

struct Result {
  Tensor value, statistics;
};

// `real`: the first logits are reals; `fake`: which are fakes, 0, 1, or -1 where there is none.
Result run(const Common& common, const SideTensors& first, const SideTensors* second, bool real, int fake) {
  const Tensor& logits = first.logits;
  const bool paired = first.fakes.has_value();
  const bool wide = logits.scalar_type() == ScalarType::Double;
  Tensor value = common.reduction == Reduction::none
                     ? *first.losses
                     : dense_empty(0, nullptr, wide ? ScalarType::Double : ScalarType::Float, logits);
  Tensor statistics = dense_empty(1, &kStatistics, ScalarType::Float, logits);

  Request request{};
  Lays<Strided> lays{};
  bool constant = !paired;
  const auto take = [&](int which, const SideTensors& tensors) {
    request.sides[which] = tensors.side();
    request.chunks[which] = chunks_of(request.sides[which].count);
    request.ending.count[which] = request.sides[which].count;
    lays.of[which] = tensors.lay();
    constant = constant && !tensors.targets && !tensors.weights && is_dense(tensors, lays.of[which]);
  };
  take(0, first);
  if (second) take(1, *second);
  if (paired) request.ending.count[1] = request.ending.count[0];
  request.ending.both_lose = second != nullptr;
  request.ending.real = real;
  request.ending.fake = fake;
  request.ending.reduction = common.reduction;
  request.ending.value_is_double = wide;
  request.ending.value = common.reduction == Reduction::none ? nullptr : value.mutable_data_ptr();
  request.ending.statistics = static_cast<float*>(statistics.mutable_data_ptr());

  const int64_t chunks = request.chunks[0] + request.chunks[1];
  const unsigned blocks = chunks <= kAlone ? 1 : blocks_for(chunks);
  std::optional<Tensor> partials;
  if (blocks > 1) {
    static_assert(sizeof(Sums<int>) % sizeof(double) == 0);
    const int64_t numbers = 2 * int64_t(blocks) * int64_t(sizeof(Sums<int>) / sizeof(double));
    partials = dense_empty(1, &numbers, ScalarType::Double, logits);
    request.partials = static_cast<Sums<int>*>(partials->mutable_data_ptr());
  }
  const cudaStream_t stream = stream_of(logits);
  const Form form = paired ? Form::paired : constant ? Form::constant : Form::per_element;
  find(common.loss, logits.scalar_type()).loss(form, request, lays, blocks, stream);
  if (blocks > 1) {
    finish_kernel<<<1, kFinishThreads, 0, stream>>>(request.ending, request.partials, blocks);
    STD_CUDA_KERNEL_LAUNCH_CHECK();
  }
  return {value, statistics};
}

// The in-place form's results, back to where unreachable logits lie.
void put_back(const Tensor& logits, const Tensor& grad) {
  Tensor strided = logits;
  if (!reachable(logits)) torch::stable::copy_(strided, grad);
}

struct OneSide {
  Result result;
  SideTensors side;
};

OneSide run_single(const Given& given, const Common& common, bool is_real) {
  SideTensors side = make_side(given, common);
  Result result = run(common, side, nullptr, is_real, is_real ? -1 : 0);
  if (given.in_place) put_back(given.logits, side.grad);
  return {result, side};
}

struct BothSides {
  Result result;
  SideTensors reals, fakes;
};

BothSides run_pair(const Given& real, const Given& fake, const Common& common) {
  check_logits(fake.logits, fake.what);
  check_same_dtype(real.logits, fake.logits);
  check_same_device(fake.logits, real.logits, fake.what);
  STD_TORCH_CHECK(common.reduction != Reduction::none, "expected a reduction of mean or sum for two sides, got 'none'");
  SideTensors reals = make_side(real, common), fakes = make_side(fake, common);
  Result result = run(common, reals, &fakes, true, 1);
  if (real.in_place) put_back(real.logits, reals.grad);
  if (fake.in_place) put_back(fake.logits, fakes.grad);
  return {result, reals, fakes};
}

OneSide run_paired(const Given& real, const Tensor& fake, const Common& common) {
  check_like(fake, real.logits, "fake logits");
  SideTensors pairs = make_side(real, common);
  pairs.fakes = reach(fake);
  pairs.fake_grad = real.in_place ? pairs.fakes : dense_like(fake);
  Result result = run(common, pairs, nullptr, true, 1);
  if (real.in_place) {
    put_back(real.logits, pairs.grad);
    put_back(fake, *pairs.fake_grad);
  }
  return {result, pairs};
}

using torch::stable::accelerator::DeviceGuard;

// --- operators ---

std::tuple<Tensor, Tensor, Tensor> pointwise_loss(const Tensor& logits, const std::string& loss, double target,
                                                  bool is_real, double scale, std::optional<Tensor> scale_tensor,
                                                  const std::string& reduction, double pos_weight,
                                                  std::optional<Tensor> targets, std::optional<Tensor> weights) {
  check_logits(logits, "logits");
  const DeviceGuard guard(logits.get_device_index());
  auto [result, side] = run_single({logits, "logits", target, targets, weights},
                                   {loss, scale, scale_tensor, reduction_named(reduction), pos_weight}, is_real);
  return {result.value, side.grad, result.statistics};
}

std::tuple<Tensor, Tensor> pointwise_loss_(const Tensor& logits, const std::string& loss, double target, bool is_real,
                                           double scale, std::optional<Tensor> scale_tensor,
                                           const std::string& reduction, double pos_weight,
                                           std::optional<Tensor> targets, std::optional<Tensor> weights) {
  check_logits(logits, "logits");
  const DeviceGuard guard(logits.get_device_index());
  const Result result = run_single({logits, "logits", target, targets, weights, true},
                                   {loss, scale, scale_tensor, reduction_named(reduction), pos_weight}, is_real)
                            .result;
  return {result.value, result.statistics};
}

std::tuple<Tensor, Tensor, Tensor, Tensor> pointwise_loss_pair(
    const Tensor& real, const Tensor& fake, const std::string& loss, double real_target, double fake_target,
    double scale, std::optional<Tensor> scale_tensor, const std::string& reduction, double pos_weight,
    std::optional<Tensor> real_targets, std::optional<Tensor> real_weights, std::optional<Tensor> fake_targets,
    std::optional<Tensor> fake_weights) {
  check_logits(real, "real logits");
  const DeviceGuard guard(real.get_device_index());
  auto [result, reals, fakes] = run_pair({real, "real logits", real_target, real_targets, real_weights},
                                         {fake, "fake logits", fake_target, fake_targets, fake_weights},
                                         {loss, scale, scale_tensor, reduction_named(reduction), pos_weight});
  return {result.value, reals.grad, fakes.grad, result.statistics};
}

std::tuple<Tensor, Tensor> pointwise_loss_pair_(const Tensor& real, const Tensor& fake, const std::string& loss,
                                                double real_target, double fake_target, double scale,
                                                std::optional<Tensor> scale_tensor, const std::string& reduction,
                                                double pos_weight, std::optional<Tensor> real_targets,
                                                std::optional<Tensor> real_weights, std::optional<Tensor> fake_targets,
                                                std::optional<Tensor> fake_weights) {
  check_logits(real, "real logits");
  const DeviceGuard guard(real.get_device_index());
  const Result result = run_pair({real, "real logits", real_target, real_targets, real_weights, true},
                                 {fake, "fake logits", fake_target, fake_targets, fake_weights, true},
                                 {loss, scale, scale_tensor, reduction_named(reduction), pos_weight})
                            .result;
  return {result.value, result.statistics};
}

std::tuple<Tensor, Tensor, Tensor, Tensor> paired_loss(const Tensor& real, const Tensor& fake, const std::string& loss,
                                                       double target, double scale, std::optional<Tensor> scale_tensor,
                                                       const std::string& reduction) {
  check_logits(real, "real logits");
  const DeviceGuard guard(real.get_device_index());
  auto [result, pairs] = run_paired({real, "real logits", target, std::nullopt, std::nullopt}, fake,
                                    {loss, scale, scale_tensor, reduction_named(reduction)});
  return {result.value, pairs.grad, *pairs.fake_grad, result.statistics};
}

std::tuple<Tensor, Tensor> paired_loss_(const Tensor& real, const Tensor& fake, const std::string& loss, double target,
                                        double scale, std::optional<Tensor> scale_tensor,
                                        const std::string& reduction) {
  check_logits(real, "real logits");
  const DeviceGuard guard(real.get_device_index());
  const Result result = run_paired({real, "real logits", target, std::nullopt, std::nullopt, true}, fake,
                                   {loss, scale, scale_tensor, reduction_named(reduction)})
                            .result;
  return {result.value, result.statistics};
}

// factor w f'(x) or factor w f''(x); the factor is one number, which stays on the device, or one for each logit.
Tensor pointwise_derivative(const Tensor& logits, const Tensor& factor, int64_t order, const std::string& loss,
                            double target, double pos_weight, std::optional<Tensor> targets,
                            std::optional<Tensor> weights) {
  check_logits(logits, "logits");
  STD_TORCH_CHECK(order == 1 || order == 2, "expected a derivative of order 1 or 2, got ", order);
  const Launches launches = find(loss, logits.scalar_type());
  const DeviceGuard guard(logits.get_device_index());
  SideTensors side{reach(logits), dense_like(logits)};
  side.target = target;
  side.pos_weight = pos_weight;
  side.targets = checked(targets, logits, "targets");
  side.weights = checked(weights, logits, "weights");
  if (factor.dim() == 0 && is_number_type(factor.scalar_type())) {
    check_number(factor, logits, "the factor");
    point_at(&side.factor, factor);
  } else {
    side.factors = checked(factor, logits, "the factor");
  }
  if (logits.numel() == 0) return side.grad;
  launches.derivative(side.side(), side.lay(), static_cast<int>(order), stream_of(logits));
  return side.grad;
}

}  // namespace
}  // namespace ganreg

STABLE_TORCH_LIBRARY_IMPL(ganreg, CUDA, m) {
  m.impl("pointwise_loss", TORCH_BOX(&ganreg::pointwise_loss));
  m.impl("pointwise_loss_", TORCH_BOX(&ganreg::pointwise_loss_));
  m.impl("pointwise_loss_pair", TORCH_BOX(&ganreg::pointwise_loss_pair));
  m.impl("pointwise_loss_pair_", TORCH_BOX(&ganreg::pointwise_loss_pair_));
  m.impl("paired_loss", TORCH_BOX(&ganreg::paired_loss));
  m.impl("paired_loss_", TORCH_BOX(&ganreg::paired_loss_));
  m.impl("pointwise_derivative", TORCH_BOX(&ganreg::pointwise_derivative));
}
