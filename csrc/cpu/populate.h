// Fresh memory taken in one call: an allocator hands out large tensors as pages that are not there yet, and meeting
// them one by one costs more than the loss.
#pragma once

#include <stddef.h>
#include <stdint.h>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace ganreg {

constexpr size_t kAlwaysFresh = size_t(1) << 25;  // bytes from which glibc maps each allocation anew

// Makes the pages of a range writable; contents stay, and where the system cannot do it, each page comes when it is
// met.
inline void populate(void* begin, size_t size) {
#if defined(MADV_POPULATE_WRITE)
  constexpr uintptr_t kPage = 4096;
  const uintptr_t first = reinterpret_cast<uintptr_t>(begin) & ~(kPage - 1);
  madvise(reinterpret_cast<void*>(first), reinterpret_cast<uintptr_t>(begin) + size - first, MADV_POPULATE_WRITE);
#else
  (void)begin;
  (void)size;
#endif
}

}  // namespace ganreg
