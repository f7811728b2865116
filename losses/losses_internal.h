/* losses/losses_internal.h - the room's kernels and the table that chooses among them. Private to
 * losses/ and its tests.
 *
 * Kernels know pointers and sizes only: they cannot fail, allocate or log, and they work on one
 * row, one block of columns or one tile, so the caller decides what runs in parallel and in which
 * order results are added. Each exists as _ref (plain C for any CPU, the oracle of the others),
 * _avx2 and _avx512. */
#ifndef MODA_LOSSES_INTERNAL_H
#define MODA_LOSSES_INTERNAL_H

#include "base/bf16.h"
#include "base/isa.h"
#include "losses/modular.h"
#include <stddef.h>
#include <stdint.h>

enum {
    MODA_LANES = 64, /* floats that a kernel handles side by side: four AVX-512 registers */
    MODA_PANEL = 16  /* samples per panel of the pairwise form */
};

/* ---- activation_kernel.c ---- */

/* A piece of a feature map: rows of width <= MODA_LANES elements, stride elements apart, and after
 * them the first tail elements of one more row. Lane j belongs to channel j mod period; of these channels
 * the first kept ones are real, the others padding. */
typedef struct moda_map_piece {
    size_t rows, stride, width, tail;
    size_t period, kept;
    moda_real type;
} moda_map_piece;

/* a[kept] := scale * sum of |x| of each channel. */
typedef void moda_k_abs_means_fn(const moda_map_piece *p, double scale, const void *x, float *a);
/* d_x += scale * d_a[channel] * sign(x); sign(0) = 0, whatever d_a. */
typedef void moda_k_add_signs_fn(const moda_map_piece *p, double scale, const void *x,
                                 const float *d_a, void *d_x);

/* ---- modular_kernel.c ----
 * Class sums stand as tiles: sums[block][slot][lane], block = column / MODA_LANES, so that the
 * tile of one block is contiguous (rows d floats apart would share a few cache sets when d is a
 * power of two). slot numbers the classes present in the batch. */

/* *square := sum a[f]^2, *absolute := sum |a[f]|. */
typedef void moda_k_row_sums_fn(size_t d, const float *a, double *square, double *absolute);
/* tile[slots,MODA_LANES] := sum over the samples of each slot, in sample order, of inverse[i] *
 * a[i,0..width-1]; rows of a are stride apart. Lanes from width on are zero. */
typedef void moda_k_class_sums_fn(size_t n, size_t width, size_t stride, const float *a,
                                  const float *inverse, const uint32_t *slot, size_t slots,
                                  float *tile);
/* With S_c = tile[c] and S = sum_c S_c:  *own := sum_c |S_c|^2, *all := |S|^2. */
typedef void moda_k_class_squares_fn(size_t slots, const float *tile, double *own, double *all);
/* tile[c] := same * S_c + different * (S - S_c): gradient by u_i for all i of class c, apart from
 * the term along u_i. */
typedef void moda_k_class_gradients_fn(size_t slots, float same, float different, float *tile);
/* Gradient of one sample. With u = inverse * a and G its class's row, whose blocks are
 * block_stride apart:
 *   d_a = inverse * (G - t*u) + compactness * sign(a),   t = project ? <G,u> : along */
typedef void moda_k_row_gradient_fn(size_t d, const float *a, float inverse, const float *g,
                                    size_t block_stride, int project, float along,
                                    float compactness, float *d_a);

/* ---- pairwise_kernel.c ---- */

/* tile[r,s] += sum over f of p[f,r] * q[f,s]; p, q [depth,MODA_PANEL], tile
 * [MODA_PANEL,MODA_PANEL]; p and q are 64-byte aligned. */
typedef void moda_k_pair_tile_fn(size_t depth, const float *p, const float *q, float *tile);

moda_k_abs_means_fn moda_k_abs_means_ref, moda_k_abs_means_avx2, moda_k_abs_means_avx512;
moda_k_add_signs_fn moda_k_add_signs_ref, moda_k_add_signs_avx2, moda_k_add_signs_avx512;
moda_k_row_sums_fn moda_k_row_sums_ref, moda_k_row_sums_avx2, moda_k_row_sums_avx512;
moda_k_class_sums_fn moda_k_class_sums_ref, moda_k_class_sums_avx2, moda_k_class_sums_avx512;
moda_k_class_squares_fn moda_k_class_squares_ref, moda_k_class_squares_avx2,
    moda_k_class_squares_avx512;
moda_k_class_gradients_fn moda_k_class_gradients_ref, moda_k_class_gradients_avx2,
    moda_k_class_gradients_avx512;
moda_k_row_gradient_fn moda_k_row_gradient_ref, moda_k_row_gradient_avx2,
    moda_k_row_gradient_avx512;
moda_k_pair_tile_fn moda_k_pair_tile_ref, moda_k_pair_tile_avx2, moda_k_pair_tile_avx512;

/* ---- the table ---- */

typedef struct moda_loss_kernels {
    moda_k_abs_means_fn *abs_means;
    moda_k_add_signs_fn *add_signs;
    moda_k_row_sums_fn *row_sums;
    moda_k_class_sums_fn *class_sums;
    moda_k_class_squares_fn *class_squares;
    moda_k_class_gradients_fn *class_gradients;
    moda_k_row_gradient_fn *row_gradient;
    moda_k_pair_tile_fn *pair_tile;
} moda_loss_kernels;

/* The kernels in use. */
const moda_loss_kernels *moda_loss_kernels_now(void);
/* Tests only, between parallel regions: chooses a row that this CPU must have. */
void moda_loss_kernels_use(moda_isa isa);

/* 1/max(|a|, MODA_COSINE_EPS) from |a|^2. *clamped (NULL allowed): whether the eps was taken; then
 * no gradient passes through the norm. A NaN gives a NaN vector, not a hidden zero. */
float moda_inverse_norm(double square, int *clamped);

#endif
