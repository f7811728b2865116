/* numa/pages.h - what the kernel says about pages and nodes. */
#ifndef MODA_NUMA_PAGES_H
#define MODA_NUMA_PAGES_H

#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>

/* On which node (OS index) each page of a block is, which begins on a page: node [pages], -1 for a page
 * that nobody has touched. Fails: MODA_ERR_UNSUPPORTED (the kernel or a container does not tell). */
MODA_MUST_USE moda_status moda_pages_ask(const void *block, size_t pages, int *node);

/* Whether this process can have memory of that node. */
bool moda_node_usable(unsigned os_index);

#endif
