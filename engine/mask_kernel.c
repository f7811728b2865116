/* engine/mask_kernel.c - compiled once per instruction set; engine/map_block_kernel.h says how maps are
 * walked. */
#include "engine/mask_kernel.h"
#include "base/isa.h"
#include "engine/map_block_kernel.h"

static const moda_channel_blocks all = {0, 0};

/* ---- forward ---- */

INLINE void block_forward(moda_real type, moda_map_shape s, size_t i, const void *x, const float *m,
                          void *y)
{
    const block o = locate(s, all, i);
    const void *xs = at(type, x, o.offset);
    void *ys = at_out(type, y, o.offset);
    const vec mv = factors_of(s, &o, m);
    const size_t whole = o.length / LANES * LANES, rest = o.length - whole;
    for (size_t j = 0; j < whole; j += LANES) store(type, ys, j, load(type, xs, j) * mv);
    store_tail(type, at_out(type, ys, whole), load_tail(type, at(type, xs, whole), rest) * mv,
               rest);
}

static void forward(moda_map_shape s, const void *x, const float *m, void *y)
{
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < blocks_of(s, all); i++)
        if (s.type == MODA_BF16)
            block_forward(MODA_BF16, s, i, x, m, y);
        else
            block_forward(MODA_F32, s, i, x, m, y);
}

/* ---- backward ---- */

INLINE void block_backward(moda_real type, moda_map_shape s, size_t i, const void *x,
                           const float *m, const float *d_m, const void *d_y, void *d_x, float *d_s)
{
    const block o = locate(s, all, i);
    const void *xs = at(type, x, o.offset), *ds = at(type, d_y, o.offset);
    void *out = at_out(type, d_x, o.offset);
    const vec mv = factors_of(s, &o, m);
    const size_t whole = o.length / LANES * LANES, rest = o.length - whole;
    float sums[LANES];
    vec sum = {0};
    for (size_t j = 0; j < whole; j += LANES) {
        const vec d = load(type, ds, j);
        sum += d * load(type, xs, j);
        store(type, out, j, d * mv);
    }
    const vec d = load_tail(type, at(type, ds, whole), rest);
    sum += d * load_tail(type, at(type, xs, whole), rest);
    store_tail(type, at_out(type, out, whole), d * mv, rest);
    fold(sum, s.block, sums);
    for (size_t l = 0; l < o.real; l++) {
        const float mask_of = m[o.row + l], total = sums[l] + (d_m ? d_m[o.row + l] : 0);
        d_s[o.row + l] = mask_of <= 0 ? 0 : total * (1 - mask_of * mask_of);
    }
}

static void backward(moda_map_shape s, const void *x, const float *m, const float *d_m,
                     const void *d_y, void *d_x, float *d_s)
{
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < blocks_of(s, all); i++)
        if (s.type == MODA_BF16)
            block_backward(MODA_BF16, s, i, x, m, d_m, d_y, d_x, d_s);
        else
            block_backward(MODA_F32, s, i, x, m, d_m, d_y, d_x, d_s);
}

const moda_mask_kernels MODA_K(moda_mask_kernels) = {forward, backward};
