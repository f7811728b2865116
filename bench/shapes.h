/* bench/shapes.h - convolutions and linear layers given by their shapes, in the notation of oneDNN's benchdnn.
 *
 *     g1mb128_ic64ih32iw32_oc64oh32ow32_kh3kw3_sh1sw1_ph1pw1_n"conv1"    a convolution
 *     mb128_ic512ih1iw1_oc4096_n"fc"                                     a linear layer
 *     128x512:512x4096_n"fc"                                             the same, as a product of matrices
 *
 * Underscores are for the eye. What is left out follows, as in benchdnn: g 1; iw, kw, sw, pw as ih, kh, sh, ph and
 * the other way round; sh 1; oh and ow from the rest; ph from oh where that is given, else 0. mb is whoever calls's to
 * choose. The name goes to the end of the text. moda's convolutions have square kernels, the same
 * stride and padding in both directions, less padding than kernel, and no dilation: what differs is refused.
 * docs/benchmarks.md. */
#ifndef MODA_BENCH_SHAPES_H
#define MODA_BENCH_SHAPES_H

#include "base/status.h"
#include "engine/net.h"
#include <stdbool.h>
#include <stddef.h>

enum { MODA_PROBLEM_NAME = 64, MODA_PROBLEM_TEXT = 160 };

typedef struct moda_problem {
    moda_layer_kind kind; /* MODA_LAYER_CONV or MODA_LAYER_LINEAR */
    size_t n;             /* samples of a batch; 0: not said */
    size_t groups, ic, ih, iw, oc, oh, ow, kernel, stride, padding; /* LINEAR: ic, ih, iw, oc */
    char name[MODA_PROBLEM_NAME];                                   /* "" without one */
} moda_problem;

typedef struct moda_problems {
    moda_problem *items;
    size_t count, capacity;
} moda_problems;

/* Fails: MODA_ERR_ARG (what is wrong, and where in the text). */
MODA_MUST_USE moda_status moda_problem_parse(moda_layer_kind kind, const char *text,
                                             moda_problem *problem);
/* The shortest text that parses to the same, without the name; the buffer [MODA_PROBLEM_TEXT] is
 * returned. */
char *moda_problem_text(const moda_problem *problem, char *buffer);
/* The shape of a CONV or LINEAR layer at a batch size. */
moda_problem moda_problem_of(const moda_net *net, size_t layer, size_t n);

MODA_MUST_USE moda_status moda_problems_add(moda_problems *list, const moda_problem *problem);
/* Adds those of a file: one a line; empty lines, and what follows a #, do not count. Fails: MODA_ERR_IO,
 * MODA_ERR_FORMAT (path, line and what is wrong; a file without any), MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_problems_read(moda_layer_kind kind, const char *path,
                                             moda_problems *list);
void moda_problems_free(moda_problems *list); /* zeroed struct is fine */

/* A network whose layer 1 is that layer, between its input and a classifier that nobody runs. Fails:
 * MODA_ERR_ARG (more than oneDNN can count), MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_problem_net(const moda_problem *problem, bool bias, moda_net **net);

#endif
