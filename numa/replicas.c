/* numa/replicas.c - copies bound to nodes. */
#include "numa/replicas.h"
#include "numa/memory.h"
#include "numa/placement_internal.h"
#include <omp.h>
#include <string.h>

enum { SHARE = 4 };

struct moda_replicas {
    char *block;
    size_t bytes, stride, count, threads;
    size_t *copy_of; /* [threads] */
};

static bool comfortable(const moda_placement *p, size_t bytes)
{
    bool fits = moda_placement_policy(p, MODA_PLACE_SLICED) == MODA_PLACE_SLICED;
    for (size_t k = 0; fits && k < p->team->nodes; k++)
        fits = bytes <= moda_node_free(moda_node_files, p->team->node[k].os_index) / SHARE;
    return fits;
}

moda_status moda_replicas_create(const moda_placement *p, size_t bytes, const char *what,
                                 moda_replicas **replicas)
{
    moda_status st = MODA_OK;
    moda_replicas *r = NULL;
    const moda_team *team = p->team;
    moda_placement there = {team, MODA_PLACE_NODE, 0};
    void *block;
    *replicas = NULL;
    if (!bytes || !comfortable(p, bytes)) goto out;
    MODA_ALLOC(r, sizeof *r);
    MODA_ALLOC(r->copy_of, team->threads * sizeof *r->copy_of);
    r->bytes = bytes, r->count = team->nodes, r->threads = team->threads;
    r->stride = (bytes + MODA_HUGE_PAGE - 1) / MODA_HUGE_PAGE * MODA_HUGE_PAGE;
    MODA_TRY(moda_memory_create(r->count * r->stride, what, &block));
    r->block = block;
    for (size_t k = 0; k < r->count; k++) {
        const moda_team_node *n = &team->node[k];
        there.node = n->os_index;
        moda_place(&there, r->block + k * r->stride, bytes, MODA_PLACE_NODE);
        for (size_t t = 0; t < n->threads; t++) r->copy_of[n->first_thread + t] = k;
    }
    *replicas = r, r = NULL;
out:
    moda_replicas_destroy(r);
    return st;
}

void moda_replicas_destroy(moda_replicas *r)
{
    if (!r) return;
    moda_memory_destroy(r->block, r->count * r->stride);
    free(r->copy_of);
    free(r);
}

size_t moda_replicas_count(const moda_replicas *r)
{
    return r->count;
}

void *moda_replicas_at(const moda_replicas *r, size_t k)
{
    return r->block + k * r->stride;
}

/* By threads of the copy's own node, so that pages land there even where they could not be bound.
 * Whichever threads there are: all that is left over is copied below. */
void moda_replicas_spread(const moda_replicas *r)
{
    const size_t pieces = (r->bytes + MODA_HUGE_PAGE - 1) / MODA_HUGE_PAGE;
    for (size_t k = 1; k < r->count; k++) {
#pragma omp parallel
        {
            const size_t me = (size_t)omp_get_thread_num(), all = (size_t)omp_get_num_threads();
            size_t mates = 0, mine = 0;
            for (size_t t = 0; t < all; t++) {
                if (r->copy_of[t % r->threads] != k) continue;
                mine = t < me ? mine + 1 : mine;
                mates++;
            }
            const bool works = mates ? r->copy_of[me % r->threads] == k : me == 0;
            for (size_t i = mates ? mine : 0; works && i < pieces; i += mates ? mates : 1) {
                const size_t from = i * MODA_HUGE_PAGE, left = r->bytes - from;
                memcpy(r->block + k * r->stride + from, r->block + from,
                       left < MODA_HUGE_PAGE ? left : MODA_HUGE_PAGE);
            }
        }
    }
}

size_t moda_replicas_shift(const moda_replicas *r)
{
    return r ? r->copy_of[(size_t)omp_get_thread_num() % r->threads] * r->stride : 0;
}
