// Functions marked COROLLA_HD compile for the host, too: index arithmetic is tested without a GPU.
#pragma once

#ifdef __CUDACC__
#define COROLLA_HD __host__ __device__ __forceinline__
#else
#define COROLLA_HD inline
#endif
