// Pointwise losses on CUDA: the torch face of pointwise_loss_kernels.h, with the signatures of the CPU's.
//
// One launch, or a second one of one block where there are more logits than a block takes alone; all on the current
// stream.  No tensor is read on the host, so that a call waits for nothing and can be captured into a graph.
#include "pointwise_loss_kernels.h"  // first: what it has for its numbers precedes the functors that call it
//
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

#include "../operators.h"

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
#if defined(GANREG_FUNCTOR)
  return {launch_loss<Loss, Number>, nullptr};
#else
  return {launch_loss<Loss, Number>, launch_derivative<Loss, Number>};
#endif
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

Launches find(int loss, ScalarType type) {
  using Table = Launches (*)(ScalarType);
#define GANREG_LAUNCHES(Loss, its_name) launches_for<Loss>,
  static constexpr Table table[] = {GANREG_LOSSES(GANREG_LAUNCHES)};
#undef GANREG_LAUNCHES
  return table[loss](type);
}

// --- tensors ---

cudaStream_t stream_of(const Tensor& logits) {
  void* stream;
  STABLE_TORCH_ERROR_CODE_CHECK(aoti_torch_get_current_cuda_stream(logits.get_device_index(), &stream));
  return static_cast<cudaStream_t>(stream);
}

// A kernel walks the strides of up to kDims dimensions.
bool reachable(const Tensor& tensor) { return tensor.dim() <= kDims || tensor.is_contiguous(); }
Tensor reach(const Tensor& tensor) { return reachable(tensor) ? tensor : torch::stable::contiguous(tensor); }

std::optional<Tensor> reach(Optional tensor) { return tensor ? std::optional(reach(*tensor)) : std::nullopt; }

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

SideTensors make_side(const Given& given, const Common& common) {
  const Tensor x = reach(given.logits);
  SideTensors side{x, common.in_place ? x : dense_like(x)};
  side.targets = reach(given.targets);
  side.weights = reach(given.weights);
  if (common.reduction == Reduction::none) side.losses = dense_like(x);
  side.target = given.target;
  side.pos_weight = common.pos_weight;
  const double divisor = common.reduction == Reduction::mean ? static_cast<double>(x.numel()) : 1.0;
  side.factor = Factor{common.scale / divisor};
  if (common.scale_tensor) {
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

struct Cuda {
  struct Guard {
    torch::stable::accelerator::DeviceGuard guard;
    explicit Guard(const Tensor& logits) : guard(logits.get_device_index()) {}
  };

  static Outcome single(const Given& given, const Common& common, bool is_real) {
    const SideTensors side = make_side(given, common);
    const Result result = run(common, side, nullptr, is_real, is_real ? -1 : 0);
    if (common.in_place) put_back(given.logits, side.grad);
    return {result.value, result.statistics, side.grad, std::nullopt};
  }

  static Outcome pair(const Given& real, const Given& fake, const Common& common) {
    const SideTensors reals = make_side(real, common), fakes = make_side(fake, common);
    const Result result = run(common, reals, &fakes, true, 1);
    if (common.in_place) put_back(real.logits, reals.grad);
    if (common.in_place) put_back(fake.logits, fakes.grad);
    return {result.value, result.statistics, reals.grad, fakes.grad};
  }

  static Outcome paired(const Given& real, const Tensor& fake, const Common& common) {
    SideTensors pairs = make_side(real, common);
    pairs.fakes = reach(fake);
    pairs.fake_grad = common.in_place ? *pairs.fakes : dense_like(fake);
    const Result result = run(common, pairs, nullptr, true, 1);
    if (common.in_place) put_back(real.logits, pairs.grad);
    if (common.in_place) put_back(fake, *pairs.fake_grad);
    return {result.value, result.statistics, pairs.grad, pairs.fake_grad};
  }

  static Tensor derivative(const Given& given, const Tensor& factor, bool uniform, int order, const Common& common) {
    const Tensor x = reach(given.logits);
    SideTensors side{x, dense_like(x)};
    side.target = given.target;
    side.pos_weight = common.pos_weight;
    side.targets = reach(given.targets);
    side.weights = reach(given.weights);
    if (uniform) {  // a number that stays on the device
      point_at(&side.factor, factor);
    } else {
      side.factors = reach(factor);
    }
    if (x.numel() > 0) {
      find(common.loss, x.scalar_type()).derivative(side.side(), side.lay(), order, stream_of(x));
    }
    return side.grad;
  }
};

}  // namespace
}  // namespace ganreg

STABLE_TORCH_LIBRARY_IMPL(ganreg, CUDA, m) { ganreg::Operators<ganreg::Cuda>::implement(m); }
