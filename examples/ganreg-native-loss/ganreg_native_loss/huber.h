// Half the squared distance from the label y, and beyond a distance of w that distance: outliers pull no harder.
//
//     loss = |d| <= w ? d^2 / 2 : w (|d| - w / 2)      derivative = clamp(d, -w, w)      d = x - y
//
// `V` is a register full of logits: no branches.  A nan stays a nan, infinite logits have their limits.
template <typename V>
struct Huber {
  V label, width;

  GANREG_INLINE Huber(V y, V w) : label(y), width(w) {}

  GANREG_INLINE Contribution<V> operator()(const Logit<V>& logit) const {
    const V d = logit.x - label;
    const V pull = select(d > width, width, select(d < -width, -width, d));
    return {magnitude(pull) * (magnitude(d) - V(0.5) * magnitude(pull)), pull};
  }
};
