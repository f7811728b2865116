/* engine/places.h - on which nodes the memory of a training step lies: as planned, and as it is. */
#ifndef MODA_ENGINE_PLACES_H
#define MODA_ENGINE_PLACES_H

#include "base/status.h"
#include "engine/executor.h"
#include "numa/placement.h"
#include <stdbool.h>
#include <stddef.h>

/* Memory that is of one kind. Layers may share memory, so their bytes add up to more than there is. */
typedef struct moda_place_row {
    const char *name; /* borrowed from the net, or one of the kinds' */
    bool layer;       /* a layer's maps, the gradients by them, activation vectors */
    size_t bytes;
    size_t *planned; /* [homes] bytes in whole pages; nothing under first touch */
    /* After moda_places_ask(): pages that somebody has touched, those of them that are right, and those
     * on each home. Right is the node that the plan says; of interleaved memory, as many pages on a
     * node as its even share. */
    size_t pages, right;
    size_t *found; /* [homes] */
} moda_place_row;

typedef struct moda_places {
    size_t homes;       /* nodes with memory of the plan */
    unsigned *os_index; /* [homes] */
    size_t count;       /* rows: every layer, then scratch, weights, gradients, momentum */
    moda_place_row *row;
    size_t workspace, workspace_one_node; /* bytes; and of the plan on a machine with one node */
    size_t *workspace_planned;            /* [homes] */
} moda_places;

/* The plan of an executor for any team, also one that is not here; nothing is allocated for it. Fails:
 * MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_places_create(moda_executor *executor,
                                             const moda_placement *placement, moda_places **places);
void moda_places_destroy(moda_places *places);

/* Asks the kernel for every page of an executor that has its workspace, and judges it by the placement
 * `by` (SLICED, INTERLEAVED or NODE; of the team that runs). Fails: MODA_ERR_UNSUPPORTED (the kernel
 * does not tell), MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_places_ask(const moda_executor *executor, const moda_placement *by,
                                          moda_places *places);

#endif
