// AVX-512 variant (F, BW, DQ, VL).  sources.py reads the suffix and adds their flags.
#include "lanes_avx512.h"
#include "polynomials.h"

namespace ganreg {
namespace {

using Floats = Floats16;
using Doubles = Doubles8;

}  // namespace
}  // namespace ganreg

#include "pointwise_loss_block.h"

namespace ganreg {

Kernels pointwise_loss_avx512(int loss, Storage storage) { return find_kernels(loss, storage); }

}  // namespace ganreg
