// The loop over one block, written once: a variant includes its lanes, then this, and has its kernels.
//
// A block is cut into tiles, and a tile goes through two loops: first its exponentials, then all else.  In one loop
// each element would be a chain of instructions so long that a processor, which looks some hundred ahead, never sees
// enough of its neighbours to stay busy; two loops take two thirds of the time.
//
// A tail is padded to a whole register and goes through the same instructions, so that an element's bits depend neither
// on its place nor on its neighbours.  Element i of a block is added to lane i % V::kLanes; a fixed tree joins the
// lanes.
#pragma once

#include <string.h>

#include "../pointwise.h"
#include "../sixteen_bit.h"
#include "pointwise_loss.h"

namespace ganreg {
namespace {

template <typename Number>
struct Register {
  using V = Floats;
};
template <>
struct Register<double> {
  using V = Doubles;
};

// The first `count` numbers at `from`, then zeros.  A whole register is read at once.
template <typename V, typename Number>
GANREG_INLINE V load_first(const Number* from /* [count] */, int64_t count) {
  V x;
  if (count == V::kLanes) {
    load(from, &x);
    return x;
  }
  Number padded[V::kLanes] = {};
  memcpy(padded, from, size_t(count) * sizeof(Number));
  load(padded, &x);
  return x;
}

template <typename V, typename Number>
GANREG_INLINE void store_first(Number* to /* [count] */, V x, int64_t count) {
  if (count == V::kLanes) return store(to, x);
  Number padded[V::kLanes];
  store(padded, x);
  memcpy(to, padded, size_t(count) * sizeof(Number));
}

// Padding counts for nothing.
template <typename V>
GANREG_INLINE V keep_first(V x, int64_t count) {
  if (count == V::kLanes) return x;
  return select(V::index() < V(typename V::Real(count)), x, V(0));
}

template <typename V>
struct SideTotals {
  static constexpr bool kSumMayOverflow = sizeof(typename V::Real) == sizeof(double);

  typename V::Sum sigma, logit, residue;
  typename V::Tally positive, negative;

  GANREG_INLINE void add(const Logit<V>& logits, int64_t count) {
    sigma.add(keep_first(logits.sigma(), count));
    logit.add(logits.x);
    positive.add(logits.x > V(0));
    negative.add(logits.x < V(0));
    if (kSumMayOverflow) residue.add(logits.x - logits.x);  // 0, or nan for a logit that is not finite
  }

  SideSums sums() const {
    const double sum = logit.total(), difference = kSumMayOverflow ? residue.total() : sum - sum;
    return {sigma.total(), sum, positive.total(), negative.total(), difference == 0};
  }
};

// A target in the storage type of the logits, wide again.
template <typename Number>
GANREG_INLINE auto rounded(double target) {
  Number narrowed;
  narrow(decltype(widen(narrowed))(target), &narrowed);
  return widen(narrowed);
}

constexpr int64_t kTile = 512;  // numbers; a multiple of every V::kLanes

// Registers from `begin` to `end`, the last perhaps in part: `step(index, count)`.
template <typename V, typename Step>
GANREG_INLINE void each_register(int64_t begin, int64_t end, Step step) {
  for (; begin < end; begin += V::kLanes) step(begin, end - begin < V::kLanes ? end - begin : int64_t(V::kLanes));
}

// Tiles of `count` numbers: `step(begin, end)`.
template <typename Step>
GANREG_INLINE void each_tile(int64_t count, Step step) {
  for (int64_t begin = 0; begin < count; begin += kTile) step(begin, begin + kTile < count ? begin + kTile : count);
}

template <typename Number>
GANREG_INLINE const Number* at(const void* numbers, int64_t index) {
  return static_cast<const Number*>(numbers) + index;
}
template <typename Number>
GANREG_INLINE Number* at(void* numbers, int64_t index) {
  return static_cast<Number*>(numbers) + index;
}

template <template <typename> class Loss, typename Number>
struct Kernel {
  using V = typename Register<Number>::V;
  using Real = typename V::Real;

  static GANREG_INLINE Loss<V> uniform(const Block& block) {
    return Loss<V>(V(rounded<Number>(block.target)), V(Real(block.pos_weight)));
  }

  static GANREG_INLINE Loss<V> of_targets(const Block& block, int64_t begin, int64_t count) {
    const V y =
        block.targets ? load_first<V>(at<Number>(block.targets, begin), count) : V(rounded<Number>(block.target));
    return Loss<V>(y, V(Real(block.pos_weight)));
  }

  static GANREG_INLINE V weights(const Block& block, int64_t begin, int64_t count) {
    return block.weights ? load_first<V>(at<Number>(block.weights, begin), count) : V(1);
  }

  static GANREG_INLINE V load_from(const void* numbers, int64_t index, int64_t count) {
    return load_first<V>(at<Number>(numbers, index), count);
  }

  // The exponentials of a tile.
  struct Exponentials {
    Real e[kTile];

    template <typename LogitAt>
    GANREG_INLINE void fill(int64_t begin, int64_t end, LogitAt logit_at) {
      each_register<V>(begin, end, [&](int64_t index, int64_t count) GANREG_LAMBDA {
        store(e + (index - begin), Logit<V>::exponential_of(logit_at(index, count)));
      });
    }

    GANREG_INLINE Logit<V> beside(V logit, int64_t place) const {
      V its;
      load(e + place, &its);
      return Logit<V>(logit, its);
    }
  };

  // `contribution(index, count, logit)` is what a register of logits adds to the loss, weighted.
  template <typename ContributionOf>
  static GANREG_INLINE void one_side(const Block& given, BlockSums* sums, ContributionOf contribution) {
    const Block block = given;  // a store through a pointer cannot change a local
    const V factor{Real(block.factor)};
    typename V::Sum total;
    SideTotals<V> side;
    Exponentials exponentials;
    each_tile(block.count, [&](int64_t begin, int64_t end) GANREG_LAMBDA {
      exponentials.fill(begin, end, [&](int64_t index, int64_t count) GANREG_LAMBDA {
        return load_from(block.logits, index, count);
      });
      each_register<V>(begin, end, [&](int64_t index, int64_t count) GANREG_LAMBDA {
        const Logit<V> logit = exponentials.beside(load_from(block.logits, index, count), index - begin);
        const Contribution<V> its = contribution(index, count, logit);
        store_first(at<Number>(block.grad, index), factor * its.derivative, count);
        if (block.losses) store_first(at<Number>(block.losses, index), its.loss, count);
        total.add(keep_first(its.loss, count));
        side.add(logit, count);
      });
    });
    *sums = {total.total(), side.sums(), {}};
  }

  static void constant(const Block& block, BlockSums* sums) {
    const Loss<V> loss = uniform(block);
    one_side(block, sums, [&](int64_t, int64_t, const Logit<V>& logit) GANREG_LAMBDA { return loss(logit); });
  }

  static void per_element(const Block& block, BlockSums* sums) {
    one_side(block, sums, [&](int64_t index, int64_t count, const Logit<V>& logit) GANREG_LAMBDA {
      const Contribution<V> its = of_targets(block, index, count)(logit);
      const V weight = weights(block, index, count);
      return Contribution<V>{weight * its.loss, weight * its.derivative};
    });
  }

  static void paired(const Block& given, BlockSums* sums) {
    const Block block = given;
    const Loss<V> loss = uniform(block);
    const V factor{Real(block.factor)};
    typename V::Sum total;
    SideTotals<V> reals, fakes;
    each_register<V>(0, block.count, [&](int64_t index, int64_t count) GANREG_LAMBDA {
      const Logit<V> real(load_from(block.logits, index, count)), fake(load_from(block.fakes, index, count));
      const Contribution<V> its = loss(Logit<V>(real.x - fake.x));
      const V grad = factor * its.derivative;
      store_first(at<Number>(block.grad, index), grad, count);
      store_first(at<Number>(block.fake_grad, index), -grad, count);
      if (block.losses) store_first(at<Number>(block.losses, index), its.loss, count);
      total.add(keep_first(its.loss, count));
      reals.add(real, count);
      fakes.add(fake, count);
    });
    *sums = {total.total(), reals.sums(), fakes.sums()};
  }

  static void derivative(const Block& given, int order) {
    const Block block = given;
    const V factor{Real(block.factor)};
    each_register<V>(0, block.count, [&](int64_t index, int64_t count) GANREG_LAMBDA {
      const Logit<V> logit(load_from(block.logits, index, count));
      const Loss<V> loss = of_targets(block, index, count);
      const V derivative = order == 1 ? loss(logit).derivative : loss.curvature(logit);
      const V factors = block.factors ? load_from(block.factors, index, count) : factor;
      store_first(at<Number>(block.grad, index), factors * (weights(block, index, count) * derivative), count);
    });
  }
};

// The kernel that serves targets of 0 and 1.
template <template <typename> class Loss, typename Number>
struct Certain {
  static constexpr LossKernel kernel = Kernel<Loss, Number>::constant;
};
template <typename Number>
struct Certain<BinaryCrossEntropy, Number> {
  static constexpr LossKernel kernel = Kernel<CertainCrossEntropy, Number>::constant;
};

template <template <typename> class Loss, typename Number>
inline Kernels kernels_of() {
  using K = Kernel<Loss, Number>;
#if defined(GANREG_FUNCTOR)
  return {K::constant, Certain<Loss, Number>::kernel, K::per_element, K::paired, nullptr};
#else
  return {K::constant, Certain<Loss, Number>::kernel, K::per_element, K::paired, K::derivative};
#endif
}

template <template <typename> class Loss>
inline Kernels kernels_for(Storage storage) {
  switch (storage) {
    case Storage::float64:
      return kernels_of<Loss, double>();
    case Storage::bfloat16:
      return kernels_of<Loss, Bfloat16>();
    case Storage::float16:
      return kernels_of<Loss, Float16>();
    default:
      return kernels_of<Loss, float>();
  }
}

inline Kernels find_kernels(int loss, Storage storage) {
  using Table = Kernels (*)(Storage);
#define GANREG_KERNELS(Loss, its_name) kernels_for<Loss>,
  static constexpr Table table[] = {GANREG_LOSSES(GANREG_KERNELS)};
#undef GANREG_KERNELS
  return table[loss](storage);
}

}  // namespace
}  // namespace ganreg
