/* numa/placement.h - on which NUMA node the pages of a block lie.
 *
 * Every block says how it is used, and so where it belongs; the user's wish (--placement) may overrule
 * that for all blocks. Memory is bound through hwloc before its first touch. A binding is a preference:
 * where a node is full, the kernel takes the next, and moda says so once. Where the kernel or a
 * container refuses to bind, pages go where a thread of the right node touches them first, which is
 * said once, too.
 * With threads on one node nothing is bound and nothing is asked. */
#ifndef MODA_NUMA_PLACEMENT_H
#define MODA_NUMA_PLACEMENT_H

#include "base/status.h"
#include "numa/team.h"
#include <stdbool.h>
#include <stddef.h>

typedef enum moda_policy {
    MODA_PLACE_SLICED,      /* [samples,...]: each node has the share that its threads work on */
    MODA_PLACE_INTERLEAVED, /* page by page over the nodes: read by all alike */
    MODA_PLACE_LOCAL,       /* where a thread touches it first */
    MODA_PLACE_NODE         /* all of it on one node */
} moda_policy;

/* Who works, and what the user wants: SLICED leaves every block to its own policy, the others
 * overrule it. */
typedef struct moda_placement {
    const moda_team *team;
    moda_policy wish;
    unsigned node; /* NODE: its OS index */
} moda_placement;

/* "sliced", "interleaved", "first-touch" or "node:N". Fails: MODA_ERR_ARG (none of these). */
MODA_MUST_USE moda_status moda_placement_parse(const char *text, moda_placement *placement);
/* Its word, in a buffer of at least 24 bytes, which is returned. */
char *moda_placement_word(const moda_placement *placement, char *buffer);
/* From now on moda_placement_current() is this wish with the team of that time (numa/team.h).
 * Fails: MODA_ERR_ARG (a node that this process cannot use). */
MODA_MUST_USE moda_status moda_placement_set(const moda_placement *placement);
/* Before moda_placement_set(): SLICED. */
moda_placement moda_placement_current(void);

/* What becomes of a block of that policy. LOCAL: nothing has to be done. */
moda_policy moda_placement_policy(const moda_placement *placement, moda_policy policy);

/* End of the slice of the team's k-th node in a block, in bytes; it begins where that of k-1 ends.
 * Slices are whole pages, as near as they can be to the node's share of the threads; the last ends
 * with the last page of the block. A node's slice may be empty. */
size_t moda_slice_end(const moda_team *team, size_t bytes, size_t k);

/* The nodes that hold memory: the team's in order, and behind them that of NODE if it is none of
 * these. os_index [team->nodes + 1]; returns how many. */
size_t moda_placement_homes(const moda_placement *placement, unsigned *os_index);
/* Adds to home[k] the bytes that a block will have on the k-th of those nodes; LOCAL: nothing. */
void moda_placement_spread(const moda_placement *placement, moda_policy policy, size_t bytes,
                           size_t *home);
/* Warns, once, if a node has not so many bytes free. what: "weights". */
void moda_placement_room(const moda_placement *placement, const size_t *home, const char *what);

/* Places the pages of a fresh block that begins on a page, and whose last page is its own. Cannot fail:
 * at worst pages lie elsewhere. Not from inside a parallel region. */
void moda_place(const moda_placement *placement, void *block, size_t bytes, moda_policy policy);
/* The same for a block in use: its pages move, which is slow on machines with many cores. */
void moda_place_again(const moda_placement *placement, void *block, size_t bytes,
                      moda_policy policy);

#endif
