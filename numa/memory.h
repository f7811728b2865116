/* numa/memory.h - large blocks for weights, activations and gradients. */
#ifndef MODA_NUMA_MEMORY_H
#define MODA_NUMA_MEMORY_H

#include "base/status.h"
#include "numa/placement.h"
#include <stddef.h>

enum { MODA_HUGE_PAGE = 2 << 20 };
size_t moda_page_bytes(void); /* of the machine's ordinary pages */

/* A zero-filled block, page-aligned (2 MiB-aligned and with huge pages advised from 4 MiB on: a step
 * walks hundreds of MiB, and 4 KiB pages would miss the TLB all the way). No page is touched here, so
 * each lands where the thread that first writes it runs. bytes 0 gives a valid empty block. Fails:
 * MODA_ERR_NOMEM (what it was for, how much). */
MODA_MUST_USE moda_status moda_memory_create(size_t bytes, const char *what, void **block);
/* The same, placed as moda_placement_current() has it for that policy. */
MODA_MUST_USE moda_status moda_memory_create_placed(size_t bytes, moda_policy policy,
                                                    const char *what, void **block);
/* bytes as at creation; NULL is fine. */
void moda_memory_destroy(void *block, size_t bytes);

#endif
