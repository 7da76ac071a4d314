// How the losses of the logits become one value.  Torch-free.
#pragma once

namespace ganreg {

enum class Reduction { mean, sum, none };

}  // namespace ganreg
