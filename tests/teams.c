/* tests/teams.c */
#include "tests/teams.h"
#include "numa/memory.h"
#include "numa/placement.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <sys/mman.h>

static moda_team_node uneven_nodes[] = {{0, 0, 3}, {4, 3, 0}, {2, 3, 5}, {7, 8, 1}};
const moda_team test_team_uneven = {.threads = 9, .nodes = 4, .node = uneven_nodes};
static moda_team_node even_nodes[] = {{0, 0, 2}, {1, 2, 2}};
const moda_team test_team_even = {.threads = 4, .nodes = 2, .node = even_nodes};
static moda_team_node alone_node[] = {{0, 0, 4}};
const moda_team test_team_alone = {.threads = 4, .nodes = 1, .node = alone_node};

char *test_pages_create(void)
{
    void *block;
    const size_t bytes = TEST_PAGES * moda_page_bytes();
    cr_assert(eq(int, moda_memory_create(bytes, "a test", &block), MODA_OK));
    (void)madvise(block, bytes, MADV_NOHUGEPAGE);
    return block;
}
