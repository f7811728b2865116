/* numa/replicas.h - one copy of read-only data per node, so that every thread reads its own node's.
 * The copies stand in one block at equal distances; the first is where everyone else looks. */
#ifndef MODA_NUMA_REPLICAS_H
#define MODA_NUMA_REPLICAS_H

#include "base/status.h"
#include "numa/placement.h"
#include <stddef.h>

typedef struct moda_replicas moda_replicas;

/* Room for a copy per node of the team, to be filled by the caller. *replicas is NULL where that is
 * not worth while: one node, another wish than SLICED, or a node of whose free memory a copy would
 * take more than a quarter. what: "images". Fails: MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_replicas_create(const moda_placement *placement, size_t bytes,
                                               const char *what, moda_replicas **replicas);
void moda_replicas_destroy(moda_replicas *replicas);

size_t moda_replicas_count(const moda_replicas *replicas);
/* The k-th copy, of that many bytes. */
void *moda_replicas_at(const moda_replicas *replicas, size_t k);
/* Fills all others from the first. */
void moda_replicas_spread(const moda_replicas *replicas);

/* How far behind a byte of the first copy the same byte of the calling OpenMP thread's copy stands;
 * 0 without replicas. */
size_t moda_replicas_shift(const moda_replicas *replicas);

#endif
