/* losses/kernels.c - one table: operation and instruction set to a function. */
#include "losses/losses_internal.h"
#include <math.h>

#define ROW(isa)                                                                               \
    {                                                                                          \
        moda_k_abs_means_##isa, moda_k_add_signs_##isa, moda_k_row_sums_##isa,                 \
            moda_k_class_sums_##isa, moda_k_class_squares_##isa, moda_k_class_gradients_##isa, \
            moda_k_row_gradient_##isa, moda_k_pair_tile_##isa                                  \
    }

static const moda_loss_kernels table[MODA_ISA_COUNT] = {
    [MODA_ISA_REF] = ROW(ref),
#ifdef __x86_64__
    [MODA_ISA_AVX2] = ROW(avx2),
    [MODA_ISA_AVX512] = ROW(avx512),
#endif
};

static const moda_loss_kernels *chosen; /* NULL: ask the CPU */

const moda_loss_kernels *moda_loss_kernels_now(void)
{
    return chosen ? chosen : &table[moda_isa_best()];
}

void moda_loss_kernels_use(moda_isa isa)
{
    chosen = &table[isa];
}

float moda_inverse_norm(double square, int *clamped)
{
    const double norm = sqrt(square);
    const int small = norm < MODA_COSINE_EPS;
    if (clamped) *clamped = small;
    return (float)(1 / (small ? (double)MODA_COSINE_EPS : norm));
}
