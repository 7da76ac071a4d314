// AVX-512 variant (F, BW, DQ, VL).  sources.py reads the suffix and adds their flags.
//
// With GANREG_LEFT_OUT there is only its name: for a library that is compiled on, and for, a processor without them.
#include "pointwise_loss.h"

#ifdef GANREG_LEFT_OUT

namespace ganreg {

Kernels pointwise_loss_avx512(int /* loss */, Storage /* storage */) { return {}; }

}  // namespace ganreg

#else

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

#endif
