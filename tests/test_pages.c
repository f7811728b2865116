/* tests/test_pages.c - numa/pages.h and numa/placement.h with the real kernel: where pages
 * really are. */
#include "numa/memory.h"
#include "numa/pages.h"
#include "numa/placement.h"
#include "numa/placement_internal.h"
#include "tests/capture.h"
#include "tests/teams.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <string.h>

TestSuite(pages, .fini = test_folder_remove, .timeout = 60);

/* ---- the real kernel ---- */

Test(pages, the_kernel_tells_where_pages_are)
{
    const size_t page = moda_page_bytes();
    int node[TEST_PAGES];
    char *block = test_pages_create();
    block[0] = block[7 * page] = block[999 * page] = 1;
    cr_assert(eq(int, moda_pages_ask(block, TEST_PAGES, node), MODA_OK), "%s", moda_last_error());
    for (size_t i = 0; i < TEST_PAGES; i++) {
        const bool touched = i == 0 || i == 7 || i == 999;
        cr_assert(eq(int, node[i] >= 0, touched), "page %zu: node %d", i, node[i]);
        cr_assert(node[i] < 0 || moda_node_usable((unsigned)node[i]), "node %d", node[i]);
    }
    moda_memory_destroy(block, TEST_PAGES * page);
}

Test(pages, hwloc_binds_to_a_node_that_is_there)
{
    void *block;
    const moda_placement p = {.team = &test_team_alone, .wish = MODA_PLACE_NODE, .node = 0};
    const size_t bytes = 64 * moda_page_bytes();
    int node[64];
    test_capture(2);
    cr_assert(eq(int, moda_memory_create(bytes, "a test", &block), MODA_OK));
    moda_place(&p, block, bytes, MODA_PLACE_LOCAL);
    char *said = test_captured();
    const bool refused_here = *said != 0; /* containers may */
    free(said);
    memset(block, 1, bytes);
    cr_assert(eq(int, moda_pages_ask(block, 64, node), MODA_OK));
    for (size_t i = 0; !refused_here && i < 64; i++) cr_assert(eq(int, node[i], 0));
    moda_memory_destroy(block, bytes);
}

/* ---- two real nodes, 0 and 1: in the virtual machine of make test-numa, or on such a server
 * ---- */

static bool two_nodes_here(void)
{
    return moda_node_usable(0) && moda_node_usable(1) &&
           moda_node_free(moda_node_files, 1) != SIZE_MAX;
}

/* Pages of a block on node 0 and on node 1. */
static void count_pages(const char *block, size_t pages, size_t on[2])
{
    int *node = malloc(pages * sizeof *node);
    cr_assert(eq(int, moda_pages_ask(block, pages, node), MODA_OK), "%s", moda_last_error());
    on[0] = on[1] = 0;
    for (size_t i = 0; i < pages; i++)
        if (node[i] == 0 || node[i] == 1) on[node[i]]++;
    free(node);
}

Test(pages, real_slices)
{
    if (!two_nodes_here()) cr_skip("two nodes needed");
    static moda_team_node nodes[] = {{1, 0, 3}, {0, 3, 1}};
    static const moda_team team = {.threads = 4, .nodes = 2, .node = nodes};
    const moda_placement p = {.team = &team, .wish = MODA_PLACE_SLICED};
    const size_t page = moda_page_bytes();
    void *block;
    size_t first[2], second[2];
    cr_assert(eq(int, moda_memory_create(4000 * page, "a test", &block), MODA_OK));
    char *at = block;
    moda_place(&p, block, 4000 * page, MODA_PLACE_SLICED);
    memset(block, 1, 4000 * page);
    count_pages(at, 3000, first);
    count_pages(at + 3000 * page, 1000, second);
    cr_assert(eq(sz, first[1], 3000));
    cr_assert(eq(sz, second[0], 1000));
    nodes[0].os_index = 0, nodes[1].os_index = 1; /* the other way round: all of them move */
    moda_place_again(&p, block, 4000 * page, MODA_PLACE_SLICED);
    count_pages(at, 3000, first);
    count_pages(at + 3000 * page, 1000, second);
    cr_assert(lt(sz, 2900, first[0]));
    cr_assert(lt(sz, 900, second[1]));
    cr_assert(eq(chr, at[3999 * page], 1));
    moda_memory_destroy(block, 4000 * page);
}

Test(pages, real_pages_in_turn)
{
    if (!two_nodes_here()) cr_skip("two nodes needed");
    const moda_placement p = {.team = &test_team_even, .wish = MODA_PLACE_SLICED};
    const size_t pages = 16 * MODA_HUGE_PAGE / moda_page_bytes();
    void *block;
    size_t on[2];
    cr_assert(eq(int, moda_memory_create(16 * MODA_HUGE_PAGE, "a test", &block), MODA_OK));
    moda_place(&p, block, 16 * MODA_HUGE_PAGE, MODA_PLACE_INTERLEAVED);
    memset(block, 1, 16 * MODA_HUGE_PAGE);
    count_pages(block, pages, on);
    cr_assert(eq(sz, on[0], pages / 2));
    cr_assert(eq(sz, on[1], pages / 2));
    moda_memory_destroy(block, 16 * MODA_HUGE_PAGE);
}

/* More than node 1 has left: the rest is on node 0, and nobody is killed. Small machines only. */
Test(pages, a_full_node_spills_over)
{
    const size_t left = moda_node_free(moda_node_files, 1), more = 64 << 20;
    if (!two_nodes_here() || left > (size_t)2 << 30 ||
        moda_node_free(moda_node_files, 0) < 6 * more)
        cr_skip("two small nodes needed");
    const moda_placement p = {.team = &test_team_even, .wish = MODA_PLACE_NODE, .node = 1};
    const size_t bytes = (left + more) / MODA_HUGE_PAGE * MODA_HUGE_PAGE;
    const size_t pages = bytes / moda_page_bytes(), home[3] = {0, bytes, 0};
    void *block;
    size_t on[2];
    test_capture(2);
    cr_assert(eq(int, moda_memory_create(bytes, "a test", &block), MODA_OK));
    moda_placement_room(&p, home, "a test");
    moda_place(&p, block, bytes, MODA_PLACE_NODE);
    for (size_t i = 0; i < pages; i++) ((char *)block)[i * moda_page_bytes()] = 1;
    count_pages(block, pages, on);
    char *said = test_captured();
    cr_assert(strstr(said, "node 1 has") && strstr(said, "other nodes"), "%s", said);
    free(said);
    cr_assert(eq(sz, on[0] + on[1], pages));
    cr_assert(lt(sz, 0, on[0]), "all of it fitted: this proves nothing");
    cr_assert(lt(sz, 4 * on[0], on[1]), "%zu on node 1, %zu on node 0", on[1], on[0]);
    moda_memory_destroy(block, bytes);
}
