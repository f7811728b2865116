/* engine/sgd_kernel.h - the optimizer's inner loop, one per instruction set (base/isa.h). */
#ifndef MODA_ENGINE_SGD_KERNEL_H
#define MODA_ENGINE_SGD_KERNEL_H

#include <stddef.h>

typedef void moda_k_sgd(size_t n, float rate, float momentum, float weight_decay, float *restrict w,
                        const float *restrict g, float *restrict v);
moda_k_sgd moda_k_sgd_ref;
#if defined(__x86_64__)
moda_k_sgd moda_k_sgd_avx2, moda_k_sgd_avx512;
#endif

#endif
