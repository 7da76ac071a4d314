// Scalar variant: no instruction beyond what the compiler takes for granted.
#include "lanes_scalar.h"
#include "pointwise_loss_block.h"

namespace ganreg {

Kernels pointwise_loss_scalar(int loss, Storage storage) { return find_kernels(loss, storage); }

}  // namespace ganreg
