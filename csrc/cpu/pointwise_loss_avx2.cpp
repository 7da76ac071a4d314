// AVX2 variant, with FMA and F16C.  sources.py reads the suffix and adds their flags.
#include "lanes_avx2.h"
#include "lanes_twice.h"
#include "polynomials.h"

namespace ganreg {
namespace {

using Floats = Floats8;
using Doubles = Twice<Doubles4>;  // eight short sums lose less than four long ones

}  // namespace
}  // namespace ganreg

#include "pointwise_loss_block.h"

namespace ganreg {

Kernels pointwise_loss_avx2(int loss, Storage storage) { return find_kernels(loss, storage); }

}  // namespace ganreg
