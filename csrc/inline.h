// Small functions of a kernel: always part of their caller, so that registers stay registers and no copy is shared.
#pragma once

#ifdef __CUDACC__
#define GANREG_INLINE __host__ __device__ __forceinline__
#else
#define GANREG_INLINE inline __attribute__((always_inline))
#define GANREG_LAMBDA __attribute__((always_inline))
#endif
