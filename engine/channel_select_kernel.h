/* engine/channel_select_kernel.h - the inner loops of engine/channel_select.h, one set per instruction
 * set (base/isa.h). */
#ifndef MODA_ENGINE_CHANNEL_SELECT_KERNEL_H
#define MODA_ENGINE_CHANNEL_SELECT_KERNEL_H

#include <stddef.h>

enum { MODA_SELECT_LANES = 16, MODA_SELECT_BLOCKS = 4 };

/* y[p*to + l] := from[l][p*step[l]] for all l < lanes <= MODA_SELECT_LANES and p < hw. A lane of zeros
 * reads one zero with step 0. */
typedef void moda_k_select_lanes(size_t hw, size_t lanes, size_t to, const float *const *from,
                                 const size_t *step, float *y);

/* A block of 16 channels made of few such blocks: lane l of y is lane lane[s][l] of block s where
 * mask[s][l] is -1; where it is 0 in all of them, y is 0. */
typedef struct moda_select_sources {
    size_t count; /* <= MODA_SELECT_BLOCKS */
    const float *block[MODA_SELECT_BLOCKS];
    int lane[MODA_SELECT_BLOCKS][MODA_SELECT_LANES], mask[MODA_SELECT_BLOCKS][MODA_SELECT_LANES];
} moda_select_sources;
typedef void moda_k_select_block(size_t hw, const moda_select_sources *from, float *y);

typedef struct moda_select_kernels {
    moda_k_select_lanes *lanes;
    moda_k_select_block *block;
} moda_select_kernels;

extern const moda_select_kernels moda_select_kernels_ref;
#if defined(__x86_64__)
extern const moda_select_kernels moda_select_kernels_avx2, moda_select_kernels_avx512;
#endif

#endif
