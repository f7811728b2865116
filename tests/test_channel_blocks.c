/* tests/test_channel_blocks.c - engine/channel_blocks.h: every block once, and the same results as from
 * each channel block alone. */
#include "base/rng.h"
#include "engine/batchnorm.h"
#include "engine/channel_blocks.h"
#include "engine/residual.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

TestSuite(channel_blocks, .timeout = 60);

static size_t visits(moda_map_shape s, size_t bytes)
{
    moda_channel_blocks range = {0, 0};
    size_t end = 0, parts = 0;
    while (moda_channel_blocks_next(s, bytes, &range)) {
        cr_assert(eq(sz, range.first, end), "blocks %zu left out or taken twice", range.first);
        cr_assert(ge(sz, range.count, 1));
        end = range.first + range.count, parts++;
    }
    cr_assert(eq(sz, end, moda_channel_blocks_of(s)), "not all were visited");
    return parts;
}

Test(channel_blocks, every_block_once)
{
    const size_t channels[] = {1, 7, 16, 17, 64, 100, 513}, pixels[] = {1, 16, 1024, 50000};
    const size_t samples[] = {1, 3, 128}, blocks[] = {1, 8, 16};
    size_t parted = 0, whole = 0;
    for (size_t i = 0; i < 7 * 4 * 3 * 3; i++) {
        const moda_map_shape s = {.n = samples[i % 3],
                                  .c = channels[i / 9 % 7],
                                  .hw = pixels[i / 63],
                                  .block = blocks[i / 3 % 3]};
        for (size_t bytes = 2; bytes <= 12; bytes += 5)
            *(visits(s, bytes) > 1 ? &parted : &whole) += 1;
    }
    cr_assert(lt(sz, 10, parted), "parts were hardly tried");
    cr_assert(lt(sz, 10, whole), "whole maps were hardly tried");
}

/* ---- maps of so many pixels that their channel blocks are taken one by one ---- */

enum { N = 8, HW = 10000, BLOCKS = 3, BLOCK = 16, C = BLOCKS * BLOCK, ONE = HW * BLOCK };
enum { MAPS = 5 }; /* x0, x1, y, d, d_x0; the second gradient is in place */

typedef struct job {
    moda_map_shape s;
    float *map[MAPS];     /* [n, blocks, hw, block] */
    float vectors[12][C]; /* six of each batch norm */
    float *a, *scratch;
} job;

static job make(size_t blocks)
{
    job j = {.s = {N, blocks * BLOCK, HW, BLOCK, MODA_F32}};
    for (size_t m = 0; m < MAPS; m++) j.map[m] = calloc(N * blocks * ONE, sizeof(float));
    j.a = calloc(N * j.s.c, sizeof(float));
    j.scratch = calloc(moda_residual_scratch(j.s), sizeof(float));
    return j;
}

static void release(job *j)
{
    for (size_t m = 0; m < MAPS; m++) free(j->map[m]);
    free(j->a), free(j->scratch);
}

static void run(job *j)
{
    const moda_residual r = {.map = j->s, .norms = 2, .relu = true};
    moda_residual_norm norm[2];
    for (size_t i = 0; i < 2; i++) {
        float(*v)[C] = j->vectors + 6 * i;
        norm[i] = (moda_residual_norm){1e-5f, v[0], v[1], v[2], v[3], v[4], v[5]};
    }
    const void *const x[2] = {j->map[0], j->map[1]};
    void *const d_x[2] = {j->map[4], j->map[3]};
    moda_residual_forward(&r, norm, x, j->scratch, j->map[2], j->a);
    moda_residual_backward(&r, norm, x, j->map[2], j->map[3], NULL, j->a, j->scratch, d_x);
    const moda_batchnorm b = {.map = j->s, .eps = 1e-5f, .relu = true};
    float(*v)[C] = j->vectors; /* once more, of what came out */
    moda_batchnorm_train(&b, j->map[4], v[0], v[1], j->scratch, v[2], v[3], j->map[0], j->a);
    moda_batchnorm_backward(&b, j->map[4], v[0], v[1], v[2], v[3], j->map[3], j->a, j->scratch,
                            j->map[3], v[4], v[5]);
}

static float *block_of(job *j, size_t map, size_t n, size_t block)
{
    return j->map[map] + (n * (j->s.c / BLOCK) + block) * ONE;
}

Test(channel_blocks, as_each_block_alone)
{
    const moda_rng rng = moda_rng_make(5, MODA_RNG_TEST, 3);
    uint64_t drawn = 0;
    omp_set_num_threads(1); /* more would have more to do at once */
    job all = make(BLOCKS), one[BLOCKS];
    cr_assert(ge(sz, visits(all.s, 8), 2), "the maps are too small to be parted");
    for (size_t i = 0; i < N * BLOCKS * (size_t)ONE; i++)
        for (size_t m = 0; m < 4; m++) all.map[m][i] = (float)moda_rng_unit(rng, drawn++) - 0.4f;
    for (size_t v = 0; v < 12; v++)
        for (size_t c = 0; c < C; c++) all.vectors[v][c] = (float)moda_rng_unit(rng, drawn++);
    for (size_t k = 0; k < BLOCKS; k++) {
        one[k] = make(1);
        for (size_t m = 0; m < MAPS; m++)
            for (size_t n = 0; n < N; n++)
                memcpy(block_of(&one[k], m, n, 0), block_of(&all, m, n, k), ONE * sizeof(float));
        for (size_t v = 0; v < 12; v++)
            memcpy(one[k].vectors[v], all.vectors[v] + k * BLOCK, BLOCK * sizeof(float));
        run(&one[k]);
    }
    run(&all);
    for (size_t k = 0; k < BLOCKS; k++) {
        for (size_t m = 0; m < MAPS; m++)
            for (size_t n = 0; n < N; n++)
                cr_assert(zero(int, memcmp(block_of(&one[k], m, n, 0), block_of(&all, m, n, k),
                                           ONE * sizeof(float))),
                          "map %zu, sample %zu, block %zu", m, n, k);
        for (size_t v = 0; v < 12; v++)
            cr_assert(zero(int, memcmp(one[k].vectors[v], all.vectors[v] + k * BLOCK,
                                       BLOCK * sizeof(float))),
                      "vector %zu, block %zu", v, k);
        release(&one[k]);
    }
    release(&all);
}
