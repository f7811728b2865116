/* engine/sgd.c - which optimizer kernel runs on this CPU. */
#include "engine/sgd.h"
#include "base/isa.h"
#include "engine/sgd_kernel.h"

void moda_sgd_update(size_t n, float rate, float momentum, float weight_decay, float *w,
                     const float *g, float *v)
{
    static moda_k_sgd *const table[MODA_ISA_COUNT] = {
        [MODA_ISA_REF] = moda_k_sgd_ref,
#if defined(__x86_64__)
        [MODA_ISA_AVX2] = moda_k_sgd_avx2,
        [MODA_ISA_AVX512] = moda_k_sgd_avx512,
#endif
    };
    table[moda_isa_best()](n, rate, momentum, weight_decay, w, g, v);
}
