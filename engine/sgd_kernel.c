/* engine/sgd_kernel.c - compiled once per instruction set. Memory bound: 3 reads, 2 writes a float;
 * a static schedule gives each thread one run of pages. Elementwise, so the same bits for any
 * thread count. */
#include "engine/sgd_kernel.h"
#include "base/isa.h"

void MODA_K(moda_k_sgd)(size_t n, float rate, float momentum, float weight_decay, float *restrict w,
                        const float *restrict g, float *restrict v)
{
#pragma omp parallel for simd schedule(static)
    for (size_t i = 0; i < n; i++) {
        const float gradient = g[i] + weight_decay * w[i];
        const float velocity = momentum * v[i] + gradient;
        v[i] = velocity;
        w[i] -= rate * (gradient + momentum * velocity);
    }
}
