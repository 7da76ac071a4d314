#include "cpu_features.h"

#include <atomic>

namespace ganreg {
namespace {

Variant best() {
  if (cpu_has(Variant::avx512)) return Variant::avx512;
  if (cpu_has(Variant::avx2)) return Variant::avx2;
  return Variant::scalar;
}

std::atomic<Variant> chosen{best()};

}  // namespace

bool cpu_has(Variant variant) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
  switch (variant) {
    case Variant::avx512:
      return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    case Variant::avx2:
      return avx2;
    case Variant::scalar:
    case Variant::refused:
      return true;
  }
  return false;
#else
  return variant == Variant::scalar || variant == Variant::refused;
#endif
}

Variant cpu_variant() { return chosen.load(std::memory_order_relaxed); }

bool use_cpu_variant(Variant variant) {
  if (!cpu_has(variant)) return false;
  chosen.store(variant, std::memory_order_relaxed);
  return true;
}

}  // namespace ganreg
