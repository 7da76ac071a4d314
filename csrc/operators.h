// The operators once, for every backend: their arguments, checks and results.  A backend computes.
//
//   struct Backend {
//     using Guard = …;  // made from the logits, held while a call lasts
//     static Outcome single(const Given& logits, const Common&, bool is_real);
//     static Outcome pair(const Given& real, const Given& fake, const Common&);
//     static Outcome paired(const Given& real, const Tensor& fake, const Common&);
//     static Tensor derivative(const Given& logits, const Tensor& factor, bool uniform, int order, const Common&);
//   };
//
// In place, an outcome's gradients have taken the logits' place and are left out.
#pragma once

#include <torch/csrc/stable/library.h>

#include <tuple>

#include "check.h"
#include "face.h"
#include "pointwise.h"

namespace ganreg {

// What a caller says of one side.
struct Given {
  const Tensor& logits;
  double target;
  Optional targets;
  Optional weights;
};

// What a caller says of all sides.
struct Common {
  int loss;  // its place in GANREG_LOSSES
  double scale = 1.0;
  std::optional<Tensor> scale_tensor = std::nullopt;
  Reduction reduction = Reduction::none;
  double pos_weight = 1.0;
  bool in_place = false;
};

struct Outcome {
  Tensor value, statistics, grad;
  std::optional<Tensor> fake_grad;
};

inline int checked_loss(const Text& name) {
  const int number = loss_number(name.c_str());
  STD_TORCH_CHECK(number >= 0, "expected the name of a fused loss, got '", name, "'");
  return number;
}

inline void check_given(const Given& given, const Common& common) {
  if (given.targets) check_like(*given.targets, given.logits, "targets");
  if (given.weights) check_like(*given.weights, given.logits, "weights");
  if (common.scale_tensor) check_number(*common.scale_tensor, given.logits, "scale");
  if (common.in_place) check_writable(given.logits, {given.targets, given.weights, common.scale_tensor});
}

template <typename Backend>
struct Operators {
  using Maybe = std::optional<Tensor>;
  using Guard = typename Backend::Guard;

  static Outcome single(const Given& given, const Common& common, bool is_real) {
    check_logits(given.logits, "logits");
    check_given(given, common);
    const Guard guard(given.logits);
    return Backend::single(given, common, is_real);
  }

  static Outcome pair(const Given& real, const Given& fake, const Common& common) {
    check_logits(real.logits, "real logits");
    check_logits(fake.logits, "fake logits");
    check_same_dtype(real.logits, fake.logits);
    check_same_device(fake.logits, real.logits, "fake logits");
    STD_TORCH_CHECK(common.reduction != Reduction::none,
                    "expected a reduction of mean or sum for two sides, got 'none'");
    check_given(real, common);
    check_given(fake, common);
    if (common.in_place) check_apart(real.logits, {fake.logits, fake.targets, fake.weights});
    if (common.in_place) check_apart(fake.logits, {real.targets, real.weights});
    const Guard guard(real.logits);
    return Backend::pair(real, fake, common);
  }

  static Outcome paired(const Given& real, const Tensor& fake, const Common& common) {
    check_logits(real.logits, "real logits");
    check_like(fake, real.logits, "fake logits");
    check_given(real, common);
    if (common.in_place) check_writable(fake, {real.logits, common.scale_tensor});
    const Guard guard(real.logits);
    return Backend::paired(real, fake, common);
  }

  static std::tuple<Tensor, Tensor, Tensor> pointwise_loss(const Tensor& logits, const Text& loss, double target,
                                                           bool is_real, double scale, Maybe scale_tensor,
                                                           const Text& reduction, double pos_weight, Maybe targets,
                                                           Maybe weights) {
    const Common common{checked_loss(loss), scale, scale_tensor, reduction_named(reduction), pos_weight};
    const Outcome found = single({logits, target, targets, weights}, common, is_real);
    return {found.value, found.grad, found.statistics};
  }

  static std::tuple<Tensor, Tensor> pointwise_loss_(const Tensor& logits, const Text& loss, double target, bool is_real,
                                                    double scale, Maybe scale_tensor, const Text& reduction,
                                                    double pos_weight, Maybe targets, Maybe weights) {
    const Common common{checked_loss(loss), scale, scale_tensor, reduction_named(reduction), pos_weight, true};
    const Outcome found = single({logits, target, targets, weights}, common, is_real);
    return {found.value, found.statistics};
  }

  static std::tuple<Tensor, Tensor, Tensor, Tensor> pointwise_loss_pair(
      const Tensor& real, const Tensor& fake, const Text& loss, double real_target, double fake_target, double scale,
      Maybe scale_tensor, const Text& reduction, double pos_weight, Maybe real_targets, Maybe real_weights,
      Maybe fake_targets, Maybe fake_weights) {
    const Common common{checked_loss(loss), scale, scale_tensor, reduction_named(reduction), pos_weight};
    const Outcome found =
        pair({real, real_target, real_targets, real_weights}, {fake, fake_target, fake_targets, fake_weights}, common);
    return {found.value, found.grad, *found.fake_grad, found.statistics};
  }

  static std::tuple<Tensor, Tensor> pointwise_loss_pair_(const Tensor& real, const Tensor& fake, const Text& loss,
                                                         double real_target, double fake_target, double scale,
                                                         Maybe scale_tensor, const Text& reduction, double pos_weight,
                                                         Maybe real_targets, Maybe real_weights, Maybe fake_targets,
                                                         Maybe fake_weights) {
    const Common common{checked_loss(loss), scale, scale_tensor, reduction_named(reduction), pos_weight, true};
    const Outcome found =
        pair({real, real_target, real_targets, real_weights}, {fake, fake_target, fake_targets, fake_weights}, common);
    return {found.value, found.statistics};
  }

  static std::tuple<Tensor, Tensor, Tensor, Tensor> paired_loss(const Tensor& real, const Tensor& fake,
                                                                const Text& loss, double target, double scale,
                                                                Maybe scale_tensor, const Text& reduction) {
    const Common common{checked_loss(loss), scale, scale_tensor, reduction_named(reduction)};
    const Outcome found = paired({real, target, std::nullopt, std::nullopt}, fake, common);
    return {found.value, found.grad, *found.fake_grad, found.statistics};
  }

  static std::tuple<Tensor, Tensor> paired_loss_(const Tensor& real, const Tensor& fake, const Text& loss,
                                                 double target, double scale, Maybe scale_tensor,
                                                 const Text& reduction) {
    const Common common{checked_loss(loss), scale, scale_tensor, reduction_named(reduction), 1.0, true};
    const Outcome found = paired({real, target, std::nullopt, std::nullopt}, fake, common);
    return {found.value, found.statistics};
  }

  // factor w f'(x) or factor w f''(x); the factor is one number, or one for each logit.
  static Tensor pointwise_derivative(const Tensor& logits, const Tensor& factor, int64_t order, const Text& loss,
                                     double target, double pos_weight, Maybe targets, Maybe weights) {
    check_logits(logits, "logits");
    STD_TORCH_CHECK(order == 1 || order == 2, "expected a derivative of order 1 or 2, got ", order);
    const Given given{logits, target, targets, weights};
    const Common common{checked_loss(loss), 1.0, std::nullopt, Reduction::none, pos_weight};
    check_given(given, common);
    const bool uniform = factor.dim() == 0 && is_number_type(factor.scalar_type());
    if (uniform) {
      check_number(factor, logits, "the factor");
    } else {
      check_like(factor, logits, "the factor");
    }
    const Guard guard(logits);
    return Backend::derivative(given, factor, uniform, static_cast<int>(order), common);
  }

  static void implement(torch::stable::detail::StableLibrary& m) {
    m.impl("pointwise_loss", TORCH_BOX(&pointwise_loss));
    m.impl("pointwise_loss_", TORCH_BOX(&pointwise_loss_));
    m.impl("pointwise_loss_pair", TORCH_BOX(&pointwise_loss_pair));
    m.impl("pointwise_loss_pair_", TORCH_BOX(&pointwise_loss_pair_));
    m.impl("paired_loss", TORCH_BOX(&paired_loss));
    m.impl("paired_loss_", TORCH_BOX(&paired_loss_));
    m.impl("pointwise_derivative", TORCH_BOX(&pointwise_derivative));
  }
};

}  // namespace ganreg
