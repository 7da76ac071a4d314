// Which variant of the kernels this processor can run, and which one does.  Torch-free.
#pragma once

namespace ganreg {

enum class Variant : int {
  refused = -1,  // the user asked for one that the processor lacks: nothing runs
  scalar,
  avx2,
  avx512
};

// Whether the processor and the operating system have all that the variant's compiler flags allow it to use.
bool cpu_has(Variant variant);

// The best one, until another was chosen.
Variant cpu_variant();

// From the next call of an operator on.  False, and nothing changes, where the processor lacks it.
bool use_cpu_variant(Variant variant);

}  // namespace ganreg
