/* decompose/pieces.h - running pieces of networks (segments.h) one at a time, each on many images.
 *
 * A piece that has run before with other weights needs these loaded, but no new primitives: executors
 * are kept by the piece's description and used again. When they exceed the memory allowed, those that
 * were not used for the longest time go. */
#ifndef MODA_DECOMPOSE_PIECES_H
#define MODA_DECOMPOSE_PIECES_H

#include "base/status.h"
#include "engine/executor.h"
#include "engine/model.h"
#include <stddef.h>

typedef struct moda_pieces moda_pieces;

/* batch: images that an executor runs at a time; bytes: of memory that executors may keep (the one
 * in use may be larger). Fails: MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_pieces_create(size_t batch, size_t bytes, moda_pieces **pieces);
void moda_pieces_destroy(moda_pieces *pieces);

/* Layers from+1 .. to of the model on n images: x [n, output of layer from] -> y [n, output of layer
 * to], both as a blocked executor has them (engine/executor.h). An image's y does not depend on the
 * others. */
MODA_MUST_USE moda_status moda_pieces_run(moda_pieces *pieces, const moda_model *model, size_t from,
                                          size_t to, size_t n, const float *x, float *y);

/* Values of the model into weights of net, its piece behind layer from (moda_net_piece()). */
MODA_MUST_USE moda_status moda_piece_load(moda_weights *weights, moda_net *net,
                                          const moda_model *model, size_t from);

/* How often moda_pieces_run() found an executor, and how often it had to make one. */
void moda_pieces_count(const moda_pieces *pieces, size_t *found, size_t *made);

#endif
