/* engine/narrow_conv.c - chooses the kernels. */
#include "engine/narrow_conv.h"
#include "base/isa.h"
#include "engine/narrow_conv_kernel.h"

static const moda_narrow_conv_kernels *kernels(void)
{
    static const moda_narrow_conv_kernels *const table[MODA_ISA_COUNT] = {
        [MODA_ISA_REF] = &moda_narrow_conv_kernels_ref,
#if defined(__x86_64__)
        [MODA_ISA_AVX2] = &moda_narrow_conv_kernels_avx2,
        [MODA_ISA_AVX512] = &moda_narrow_conv_kernels_avx512,
#endif
    };
    return table[moda_isa_best()];
}

moda_narrow_conv moda_narrow_conv_backward_data(const moda_narrow_conv *f)
{
    const size_t windows = 8 * f->k * f->k;
    return (moda_narrow_conv){.n = f->n,
                              .ic = f->oc,
                              .oc = f->ic,
                              .h = f->h + 2 * f->padding - f->k + 1,
                              .w = f->w + 2 * f->padding - f->k + 1,
                              .k = f->k,
                              .padding = f->k - 1 - f->padding,
                              .x_block = f->y_block,
                              .y_block = f->x_block,
                              .w_group = windows,
                              .w_channel = (f->ic + 7) / 8 * windows,
                              .threads = f->threads,
                              .turned = true};
}

size_t moda_narrow_conv_scratch(const moda_narrow_conv *c)
{
    return kernels()->scratch(c);
}

void moda_narrow_conv_forward(const moda_narrow_conv *c, const float *x, const float *w,
                              const float *bias, float *y, void *scratch)
{
    kernels()->forward(c, x, w, bias, y, scratch);
}

void moda_narrow_conv_backward_weights(const moda_narrow_conv *c, const float *x, const float *d_y,
                                       float *d_w, float *d_bias, void *scratch)
{
    kernels()->backward_weights(c, x, d_y, d_w, d_bias, scratch);
}
