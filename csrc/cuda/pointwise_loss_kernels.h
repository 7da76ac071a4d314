// The pointwise losses on the card: value, gradients and statistics in one pass over the logits.  Torch-free.
//
// The reals are cut into chunks of 4096 logits in index order, then the fakes; one grid serves both.  A thread takes
// 16-byte vectors 256 threads apart, all of them loaded before the first is computed, and keeps float64 sums; a fixed
// tree joins the threads of a block.  Element i is the same thread's whatever the strides, so the bits do not depend on
// them.
//
// What becomes of the sums of a block:
//
//     up to kAlone chunks    one block takes them all in turn, then writes value and statistics: one launch
//     more                   each block writes its sums beside those of the others, and a second launch of one block
//                            joins them by a fixed tree; from kMostBlocks chunks on a block takes every kMostBlocks-th
//
// Neither reads anything back, needs memory that was cleared, or lets blocks race for a sum: same input, same bits.
#pragma once

#include <stdint.h>

#include <cub/block/block_reduce.cuh>

#include "../reduction.h"
#include "numbers.h"

namespace ganreg {
namespace {

constexpr int kThreads = 256;
constexpr int kFinishThreads = 512;    // twice the warps, since nothing else hides the memory's latency
constexpr int64_t kChunk = 4096;       // logits
constexpr int64_t kAlone = 4;          // estimated, not measured: what one block does while a second launch starts
constexpr int64_t kMostBlocks = 8192;  // several waves of blocks on the largest card, and few sums to join
constexpr int kDims = 8;

// One tensor's place in a Strided.
enum View : int { kLogits, kFakes, kTargets, kWeights, kFactors, kGrad, kFakeGrad, kLosses, kViews };

enum class Form { constant, per_element, paired };

// The sums over some logits; a block counts in 32 bits, the whole in 64.
template <typename Count>
struct Sums {
  double loss = 0, sigma = 0, logit = 0;
  Count positive = 0, negative = 0;  // logits > 0 and < 0
  bool finite = true;                // every logit is

  template <typename V>
  __device__ __forceinline__ void add(const Logit<V>& of) {
    sigma += of.sigma();
    logit += of.x;
    positive += of.x > V(0);
    negative += of.x < V(0);
    finite &= of.x - of.x == V(0);
  }

  template <typename Other>
  __device__ __forceinline__ void join(const Sums<Other>& right) {
    loss += right.loss;
    sigma += right.sigma;
    logit += right.logit;
    positive += right.positive;
    negative += right.negative;
    finite &= right.finite;
  }
};

struct Join {
  template <typename Count>
  __device__ __forceinline__ Sums<Count> operator()(Sums<Count> left, const Sums<Count>& right) const {
    left.join(right);
    return left;
  }
};

// What the gradients are multiplied by: number * scale / divisor, or number alone where there is no scale to be read.
struct Factor {
  double number;
  double divisor = 1;
  const void* scale = nullptr;  // 0-dim, on the device
  bool scale_is_double = false;

  __device__ __forceinline__ double read() const {
    if (!scale) return number;
    const double its = scale_is_double ? *static_cast<const double*>(scale) : double(*static_cast<const float*>(scale));
    return number * its / divisor;
  }
};

// One side of the game, or both as pairs: `count` numbers in each array, null where there is none.
struct Side {
  int64_t count;
  const void* logits;
  const void* fakes;    // paired form: the loss is of logits - fakes
  const void* targets;  // instead of `target`
  const void* weights;
  const void* factors;  // derivative: instead of `factor`
  void* grad;           // may be `logits`
  void* fake_grad;      // paired form: minus `grad`; may be `fakes`
  void* losses;
  double target;
  double pos_weight;
  Factor factor;
};

template <typename Number>
struct alignas(16) Vector {
  static constexpr int kLanes = 16 / sizeof(Number);
  static constexpr int kEach = kChunk / kThreads / kLanes;  // of a thread in a chunk

  Number lane[kLanes];

  // Where a thread's vectors begin.
  static __device__ __forceinline__ int64_t index(int64_t chunk, int which) {
    return chunk * kChunk + (which * kThreads + int(threadIdx.x)) * kLanes;
  }
};

// Every array lies in index order, on a 16-byte boundary.
struct Dense {
  __device__ __forceinline__ bool in_vectors(View) const { return true; }

  template <typename Number>
  __device__ __forceinline__ Vector<Number> gather(const Number* from, View, int64_t index, int64_t count) const {
    Vector<Number> vector = {};
#pragma unroll
    for (int lane = 0; lane < vector.kLanes; ++lane) {
      if (index + lane < count) vector.lane[lane] = from[index + lane];
    }
    return vector;
  }

  template <typename Number>
  __device__ __forceinline__ void scatter(Number* to, const Vector<Number>& vector, View, int64_t index,
                                          int64_t count) const {
#pragma unroll
    for (int lane = 0; lane < vector.kLanes; ++lane) {
      if (index + lane < count) to[index + lane] = vector.lane[lane];
    }
  }
};

// Arrays with strides of their own, counted in numbers.  Its functions are long: one copy of each serves every kernel.
struct Strided {
  enum class Walk : int { vectors, ordered, strides };

  int dims;
  int64_t sizes[kDims];
  int64_t strides[kViews][kDims];
  Walk walk[kViews];

  __device__ __forceinline__ bool in_vectors(View view) const { return walk[view] == Walk::vectors; }

  template <typename Number>
  __device__ __noinline__ Vector<Number> gather(const Number* from, View view, int64_t index, int64_t count) const {
    Vector<Number> vector = {};
#pragma unroll
    for (int lane = 0; lane < vector.kLanes; ++lane) {
      if (index + lane < count) vector.lane[lane] = from[offset(view, index + lane)];
    }
    return vector;
  }

  template <typename Number>
  __device__ __noinline__ void scatter(Number* to, Vector<Number> vector, View view, int64_t index,
                                       int64_t count) const {
#pragma unroll
    for (int lane = 0; lane < vector.kLanes; ++lane) {
      if (index + lane < count) to[offset(view, index + lane)] = vector.lane[lane];
    }
  }

 private:
  __device__ __noinline__ int64_t offset(View view, int64_t index) const {
    if (walk[view] != Walk::strides) return index;
    int64_t offset = 0;
    for (int dim = dims; dim-- > 0;) {
      const int64_t rest = index / sizes[dim];
      offset += (index - rest * sizes[dim]) * strides[view][dim];
      index = rest;
    }
    return offset;
  }
};

// How the sums of both sides end.
struct Ending {
  int64_t count[2];
  bool both_lose;  // the second has a loss of its own
  bool real;       // the first are reals
  int fake;        // which are fakes: 0, 1, or -1 where there is none
  Reduction reduction;
  bool value_is_double;
  void* value;        // null: none
  float* statistics;  // [8]
};

struct Request {
  Side sides[2];
  int64_t chunks[2];
  Sums<int>* partials;  // [2, blocks]; null: the only block ends it
  Ending ending;
};

template <typename Lay>
struct Lays {
  Lay of[2];
};

__device__ __forceinline__ void finish(const Ending& ending, const Sums<int64_t>& first, const Sums<int64_t>& second) {
  const double firsts = double(ending.count[0]), seconds = double(ending.count[1]);
  const bool mean = ending.reduction == Reduction::mean;
  double exact = mean ? first.loss / firsts : first.loss;  // 0 / 0, a nan, where it is empty
  if (ending.both_lose) exact += mean ? second.loss / seconds : second.loss;

  const float rounded = float(exact);
  const bool finite = ending.value_is_double ? isfinite(exact) : isfinite(rounded);
  if (ending.value && ending.value_is_double) {
    *static_cast<double*>(ending.value) = exact;
  } else if (ending.value) {
    *static_cast<float*>(ending.value) = rounded;
  }

  const auto of_real = [&](double its) { return ending.real ? float(its / firsts) : NAN; };
  const auto of_fake = [&](double its_if_first, double its_if_second) {
    return ending.fake == 0 ? float(its_if_first / firsts) : ending.fake == 1 ? float(its_if_second / seconds) : NAN;
  };
  ending.statistics[0] = of_real(first.sigma);
  ending.statistics[1] = of_fake(first.sigma, second.sigma);
  ending.statistics[2] = of_real(double(first.positive));
  ending.statistics[3] = of_fake(double(first.negative), double(second.negative));
  ending.statistics[4] = of_real(double(first.positive - first.negative));
  ending.statistics[5] = of_real(first.logit);
  ending.statistics[6] = of_fake(first.logit, second.logit);
  ending.statistics[7] = finite && first.finite && second.finite;
}

// --- vectors ---

// Numbers beyond `count` are zeros.
template <typename Number, typename Lay>
__device__ __forceinline__ Vector<Number> load(const void* numbers /* [count] */, const Lay& lay, View view,
                                               int64_t index, int64_t count) {
  const Number* from = static_cast<const Number*>(numbers);
  if (index + Vector<Number>::kLanes > count || !lay.in_vectors(view)) return lay.gather(from, view, index, count);
  const uint4 whole = *reinterpret_cast<const uint4*>(from + index);
  Vector<Number> vector;
  memcpy(&vector, &whole, sizeof whole);
  return vector;
}

template <typename Number, typename Lay>
__device__ __forceinline__ void store(void* numbers /* [count] */, const Vector<Number>& vector, const Lay& lay,
                                      View view, int64_t index, int64_t count) {
  Number* to = static_cast<Number*>(numbers);
  if (index + vector.kLanes > count || !lay.in_vectors(view)) return lay.scatter(to, vector, view, index, count);
  uint4 whole;
  memcpy(&whole, &vector, sizeof whole);
  *reinterpret_cast<uint4*>(to + index) = whole;
}

// All vectors of a thread in a chunk.
template <typename Number, typename Lay>
__device__ __forceinline__ void load_all(Vector<Number> (&to)[Vector<Number>::kEach], const void* numbers,
                                         const Lay& lay, View view, int64_t chunk, int64_t count) {
#pragma unroll
  for (int which = 0; which < Vector<Number>::kEach; ++which) {
    to[which] = load<Number>(numbers, lay, view, Vector<Number>::index(chunk, which), count);
  }
}

// The constants of a side, rounded to the type that the computing is done in, the target to the storage type.
template <typename Number>
__device__ __forceinline__ Wide<Number> target_of(const Side& side) {
  Number narrowed;
  narrow(Wide<Number>(side.target), &narrowed);
  return widen(narrowed);
}

// --- kernels ---

// grad = factor * w d loss(x) / dx of a thread's logits in a chunk, and their sums; `fakes` in the paired form only.
template <template <typename> class Loss, typename Number, Form form, typename Lay>
__device__ __forceinline__ void take_chunk(const Side& side, const Lay& lay, int64_t chunk, Sums<int>* sums,
                                           Sums<int>* fakes) {
  using V = Wide<Number>;
  using Numbers = Vector<Number>;
  Numbers x[Numbers::kEach], z[Numbers::kEach], y[Numbers::kEach], w[Numbers::kEach];
  load_all(x, side.logits, lay, kLogits, chunk, side.count);
  if constexpr (form == Form::paired) load_all(z, side.fakes, lay, kFakes, chunk, side.count);
  if constexpr (form == Form::per_element) {
    if (side.targets) load_all(y, side.targets, lay, kTargets, chunk, side.count);
    if (side.weights) load_all(w, side.weights, lay, kWeights, chunk, side.count);
  }
  const V factor = V(side.factor.read()), pos_weight = V(side.pos_weight), target = target_of<Number>(side);
  const Loss<V> uniform(target, pos_weight);
#pragma unroll
  for (int which = 0; which < Numbers::kEach; ++which) {
    const int64_t index = Numbers::index(chunk, which);
    if (index >= side.count) break;
    Numbers grads, fake_grads, losses;
#pragma unroll
    for (int lane = 0; lane < Numbers::kLanes; ++lane) {
      const bool inside = index + lane < side.count;
      const Logit<V> logit(widen(x[which].lane[lane]));
      Contribution<V> its;
      if constexpr (form == Form::paired) {
        const Logit<V> fake(widen(z[which].lane[lane]));
        its = uniform(Logit<V>(logit.x - fake.x));
        if (inside) fakes->add(fake);
      } else if constexpr (form == Form::per_element) {
        its = (side.targets ? Loss<V>(widen(y[which].lane[lane]), pos_weight) : uniform)(logit);
        if (side.weights) {
          const V weight = widen(w[which].lane[lane]);
          its = {weight * its.loss, weight * its.derivative};
        }
      } else {
        its = uniform(logit);
      }
      const V grad = factor * its.derivative;
      narrow(grad, &grads.lane[lane]);
      narrow(-grad, &fake_grads.lane[lane]);
      narrow(its.loss, &losses.lane[lane]);
      if (inside) {
        sums->loss += its.loss;
        sums->add(logit);
      }
    }
    store(side.grad, grads, lay, kGrad, index, side.count);
    if constexpr (form == Form::paired) store(side.fake_grad, fake_grads, lay, kFakeGrad, index, side.count);
    if (side.losses) store(side.losses, losses, lay, kLosses, index, side.count);
  }
}

template <template <typename> class Loss, typename Number, Form form, typename Lay>
__global__ void __launch_bounds__(kThreads)
    loss_kernel(const __grid_constant__ Request request, const __grid_constant__ Lays<Lay> lays) {
  using Reduce = cub::BlockReduce<Sums<int>, kThreads, cub::BLOCK_REDUCE_WARP_REDUCTIONS>;
  __shared__ typename Reduce::TempStorage storage;
  const int64_t firsts = request.chunks[0], all = firsts + request.chunks[1];
  Sums<int> first, second;
  bool seen_second = false;
  for (int64_t chunk = blockIdx.x; chunk < all; chunk += gridDim.x) {
    const bool is_second = chunk >= firsts;
    Sums<int> sums, fakes;
    take_chunk<Loss, Number, form>(request.sides[is_second], lays.of[is_second], is_second ? chunk - firsts : chunk,
                                   &sums, &fakes);
    if (is_second) {
      second.join(sums);
    } else {
      first.join(sums);
    }
    if constexpr (form == Form::paired) second.join(fakes);
    seen_second = is_second || form == Form::paired;
  }
  first = Reduce(storage).Reduce(first, Join{});
  if (seen_second) {
    __syncthreads();
    second = Reduce(storage).Reduce(second, Join{});
  }
  if (threadIdx.x != 0) return;
  if (request.partials) {
    request.partials[blockIdx.x] = first;
    request.partials[int64_t(gridDim.x) + blockIdx.x] = second;
  } else {
    Sums<int64_t> first_of_all, second_of_all;
    first_of_all.join(first);
    second_of_all.join(second);
    finish(request.ending, first_of_all, second_of_all);
  }
}

__global__ void __launch_bounds__(kFinishThreads)
    finish_kernel(const Ending ending, const Sums<int>* partials /* [2, blocks] */, int64_t blocks) {
  using Reduce = cub::BlockReduce<Sums<int64_t>, kFinishThreads, cub::BLOCK_REDUCE_WARP_REDUCTIONS>;
  __shared__ typename Reduce::TempStorage storage;
  Sums<int64_t> first, second;
  for (int64_t block = threadIdx.x; block < blocks; block += kFinishThreads) {
    first.join(partials[block]);
    second.join(partials[blocks + block]);
  }
  first = Reduce(storage).Reduce(first, Join{});
  __syncthreads();
  second = Reduce(storage).Reduce(second, Join{});
  if (threadIdx.x == 0) finish(ending, first, second);
}

// grad = factor * w d^order loss(x) / dx^order, order 1 or 2
template <template <typename> class Loss, typename Number>
__global__ void __launch_bounds__(kThreads)
    derivative_kernel(const __grid_constant__ Side side, const __grid_constant__ Strided lay, int64_t chunks,
                      int order) {
  using V = Wide<Number>;
  using Numbers = Vector<Number>;
  const V factor = V(side.factor.read()), pos_weight = V(side.pos_weight), target = target_of<Number>(side);
  for (int64_t chunk = blockIdx.x; chunk < chunks; chunk += gridDim.x) {
    Numbers x[Numbers::kEach], y[Numbers::kEach], w[Numbers::kEach], factors[Numbers::kEach];
    load_all(x, side.logits, lay, kLogits, chunk, side.count);
    if (side.targets) load_all(y, side.targets, lay, kTargets, chunk, side.count);
    if (side.weights) load_all(w, side.weights, lay, kWeights, chunk, side.count);
    if (side.factors) load_all(factors, side.factors, lay, kFactors, chunk, side.count);
#pragma unroll
    for (int which = 0; which < Numbers::kEach; ++which) {
      const int64_t index = Numbers::index(chunk, which);
      if (index >= side.count) break;
      Numbers grads;
#pragma unroll
      for (int lane = 0; lane < Numbers::kLanes; ++lane) {
        const Logit<V> logit(widen(x[which].lane[lane]));
        const Loss<V> loss(side.targets ? widen(y[which].lane[lane]) : target, pos_weight);
        V derivative = order == 1 ? loss(logit).derivative : loss.curvature(logit);
        if (side.weights) derivative = widen(w[which].lane[lane]) * derivative;
        narrow((side.factors ? widen(factors[which].lane[lane]) : factor) * derivative, &grads.lane[lane]);
      }
      store(side.grad, grads, lay, kGrad, index, side.count);
    }
  }
}

}  // namespace
}  // namespace ganreg
