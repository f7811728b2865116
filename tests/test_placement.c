/* tests/test_placement.c - numa/placement.h, numa/pages.h and numa/memory.h with teams made by hand: who
 * gets which pages, and what is said when the kernel refuses or a node is full. */
#include "base/file.h"
#include "numa/memory.h"
#include "numa/pages.h"
#include "numa/placement.h"
#include "numa/placement_internal.h"
#include "tests/capture.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <omp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

TestSuite(placement, .fini = test_folder_remove, .timeout = 60);

/* 3 + 0 + 5 + 1 threads on nodes 0, 4, 2 and 7. */
static moda_team_node uneven_nodes[] = {{0, 0, 3}, {4, 3, 0}, {2, 3, 5}, {7, 8, 1}};
static const moda_team uneven = {.threads = 9, .nodes = 4, .node = uneven_nodes};
static moda_team_node even_nodes[] = {{0, 0, 2}, {1, 2, 2}};
static const moda_team even = {.threads = 4, .nodes = 2, .node = even_nodes};
static moda_team_node alone_node[] = {{0, 0, 4}};
static const moda_team alone = {.threads = 4, .nodes = 1, .node = alone_node};

/* ---- shares ---- */

static size_t slice(const moda_team *t, size_t bytes, size_t k)
{
    const size_t begin = k ? moda_slice_end(t, bytes, k - 1) : 0, end = moda_slice_end(t, bytes, k);
    cr_assert(le(sz, begin, end));
    return end - begin;
}

Test(placement, slices_are_whole_pages_near_the_share_of_threads)
{
    const size_t page = moda_page_bytes();
    const moda_team *teams[] = {&uneven, &even, &alone};
    for (size_t t = 0; t < 3; t++)
        for (size_t bytes = 0; bytes < 300 * page; bytes = bytes * 9 / 7 + 1000) {
            size_t sum = 0;
            for (size_t k = 0; k < teams[t]->nodes; k++) {
                const size_t have = slice(teams[t], bytes, k);
                const double ideal =
                    (double)bytes * (double)teams[t]->node[k].threads / (double)teams[t]->threads;
                cr_assert(eq(sz, have % page, 0));
                cr_assert(lt(dbl, (double)have - ideal, 2.0 * (double)page), "%zu of %zu", k,
                          bytes);
                cr_assert(lt(dbl, -2.0 * (double)page, (double)have - ideal), "%zu of %zu", k,
                          bytes);
                if (teams[t]->node[k].threads == 0) cr_assert(eq(sz, have, 0));
                sum += have;
            }
            cr_assert(eq(sz, sum, (bytes + page - 1) / page * page));
        }
}

/* By hand: 10 pages over 3, 0, 5 and 1 of 9 threads end at 3.33, 3.33, 8.89, 10. */
Test(placement, known_slices)
{
    const size_t page = moda_page_bytes();
    const size_t want[] = {3 * page, 0, 6 * page, page};
    for (size_t k = 0; k < 4; k++) cr_assert(eq(sz, slice(&uneven, 10 * page - 1, k), want[k]));
    cr_assert(eq(sz, slice(&even, 1, 0), page), "half a page rounds up");
    cr_assert(eq(sz, slice(&even, 1, 1), 0), "and leaves an empty slice");
}

Test(placement, spread_by_policy)
{
    const size_t page = moda_page_bytes(), bytes = 10 * page;
    moda_placement p = {.team = &uneven, .wish = MODA_PLACE_SLICED};
    size_t home[5] = {0};
    moda_placement_spread(&p, MODA_PLACE_SLICED, bytes, home);
    moda_placement_spread(&p, MODA_PLACE_INTERLEAVED, bytes, home);
    const size_t want[] = {6, 3, 8, 3}; /* 3 0 6 1 and 3 3 2 2 */
    for (size_t k = 0; k < 4; k++) cr_assert(eq(sz, home[k], want[k] * page), "node %zu", k);
    p.wish = MODA_PLACE_NODE, p.node = 2;
    moda_placement_spread(&p, MODA_PLACE_SLICED, bytes, home);
    cr_assert(eq(sz, home[2], 18 * page));
    p.node = 5; /* none of the team's */
    moda_placement_spread(&p, MODA_PLACE_SLICED, bytes, home);
    cr_assert(eq(sz, home[4], 10 * page));
    p.wish = MODA_PLACE_LOCAL;
    moda_placement_spread(&p, MODA_PLACE_SLICED, bytes, home);
    cr_assert(eq(sz, home[0] + home[1] + home[2] + home[3] + home[4], 40 * page));
}

Test(placement, homes)
{
    unsigned os[5];
    moda_placement p = {.team = &uneven, .wish = MODA_PLACE_SLICED, .node = 99};
    cr_assert(eq(sz, moda_placement_homes(&p, os), 4));
    cr_assert(eq(uint, os[1], 4));
    p.wish = MODA_PLACE_NODE, p.node = 7;
    cr_assert(eq(sz, moda_placement_homes(&p, os), 4));
    p.node = 1;
    cr_assert(eq(sz, moda_placement_homes(&p, os), 5));
    cr_assert(eq(uint, os[4], 1));
}

/* ---- words ---- */

Test(placement, words_there_and_back)
{
    const char *good[] = {"sliced", "interleaved", "first-touch", "node:0", "node:17"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        moda_placement p = {0};
        char word[24];
        cr_assert(eq(int, moda_placement_parse(good[i], &p), MODA_OK), "%s", moda_last_error());
        cr_assert(eq(str, moda_placement_word(&p, word), (char *)good[i]));
    }
    const char *bad[] = {
        "", "slice", "node", "node:", "node:x", "node:1x", "node:-1", "node:99999999"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        moda_placement p = {0};
        cr_assert(eq(int, moda_placement_parse(bad[i], &p), MODA_ERR_ARG), "'%s'", bad[i]);
        cr_assert(strstr(moda_last_error(), "give sliced, interleaved") != NULL, "%s",
                  moda_last_error());
    }
}

Test(placement, a_node_that_is_not_there)
{
    moda_placement p = {.wish = MODA_PLACE_NODE, .node = 4711};
    cr_assert(eq(int, moda_placement_set(&p), MODA_ERR_ARG));
    cr_assert(strstr(moda_last_error(), "node:4711") != NULL, "%s", moda_last_error());
    cr_assert(eq(int, moda_placement_current().wish, MODA_PLACE_SLICED), "as before");
    p.wish = MODA_PLACE_INTERLEAVED;
    cr_assert(eq(int, moda_placement_set(&p), MODA_OK));
    cr_assert(eq(int, moda_placement_current().wish, MODA_PLACE_INTERLEAVED));
}

/* ---- binding: a kernel of our own notes what it is asked ---- */

static struct call {
    char *at;
    size_t bytes, nodes;
    unsigned first;
} calls[16];
static size_t call_count;
static int refusal;

static int note(void *at, size_t bytes, const unsigned *os_index, size_t nodes, bool move)
{
    (void)move;
    calls[call_count++ % 16] = (struct call){at, bytes, nodes, os_index[0]};
    errno = refusal;
    return refusal ? -1 : 0;
}

enum { PAGES = 1000 };

/* Where huge pages are always used, touching one page would bring others. */
static char *block_of_pages(void)
{
    void *block;
    moda_bind_memory = note;
    cr_assert(eq(int, moda_memory_create(PAGES * moda_page_bytes(), "a test", &block), MODA_OK));
    (void)madvise(block, PAGES * moda_page_bytes(), MADV_NOHUGEPAGE);
    return block;
}

static size_t present(const char *block)
{
    static int node[PAGES];
    size_t n = 0;
    cr_assert(eq(int, moda_pages_ask(block, PAGES, node), MODA_OK), "%s", moda_last_error());
    for (size_t i = 0; i < PAGES; i++) n += node[i] >= 0;
    return n;
}

Test(placement, every_slice_is_bound_to_its_node)
{
    const moda_placement p = {.team = &uneven, .wish = MODA_PLACE_SLICED};
    char *block = block_of_pages(), *at = block;
    const size_t bytes = PAGES * moda_page_bytes();
    moda_place(&p, block, bytes, MODA_PLACE_SLICED);
    cr_assert(eq(sz, call_count, 3), "an empty slice is not bound");
    const unsigned nodes[] = {0, 2, 7};
    for (size_t i = 0; i < 3; i++) {
        cr_assert(eq(ptr, calls[i].at, at));
        cr_assert(eq(uint, calls[i].first, nodes[i]));
        cr_assert(eq(sz, calls[i].nodes, 1));
        at += calls[i].bytes;
    }
    cr_assert(eq(ptr, at, block + bytes));
    moda_place(&p, block, bytes, MODA_PLACE_INTERLEAVED);
    cr_assert(eq(sz, call_count, 4));
    cr_assert(eq(sz, calls[3].nodes, 4));
    cr_assert(eq(sz, calls[3].bytes, bytes));
    cr_assert(eq(sz, present(block), 0), "binding touches nothing");
    moda_memory_destroy(block, bytes);
}

Test(placement, one_node_asks_for_nothing)
{
    moda_placement p = {.team = &alone, .wish = MODA_PLACE_SLICED};
    char *block = block_of_pages();
    const size_t bytes = PAGES * moda_page_bytes();
    moda_place(&p, block, bytes, MODA_PLACE_SLICED);
    moda_place(&p, block, bytes, MODA_PLACE_INTERLEAVED);
    moda_place(&p, block, bytes, MODA_PLACE_LOCAL);
    p.wish = MODA_PLACE_INTERLEAVED;
    moda_place(&p, block, bytes, MODA_PLACE_SLICED);
    p.team = &even, p.wish = MODA_PLACE_LOCAL;
    moda_place(&p, block, bytes, MODA_PLACE_SLICED);
    cr_assert(eq(sz, call_count, 0));
    p.wish = MODA_PLACE_NODE, p.node = 1;
    moda_place(&p, block, bytes, MODA_PLACE_SLICED);
    cr_assert(eq(sz, call_count, 1), "except where one was named");
    cr_assert(eq(uint, calls[0].first, 1));
    moda_memory_destroy(block, bytes);
}

static void refused(int error, const char *word)
{
    const moda_placement p = {.team = &even, .wish = MODA_PLACE_SLICED};
    char *block = block_of_pages();
    const size_t bytes = PAGES * moda_page_bytes();
    refusal = error;
    test_capture(2);
    moda_place(&p, block, bytes, MODA_PLACE_SLICED);
    const size_t touched = present(block);
    moda_place(&p, block, bytes, MODA_PLACE_INTERLEAVED);
    char *said = test_captured();
    cr_assert(eq(sz, touched, PAGES), "pages are touched where they cannot be bound");
    const char *first = strstr(said, "cannot be bound");
    cr_assert(first && strstr(said, word), "%s", said);
    cr_assert(strstr(first + 1, "cannot be bound") == NULL, "said twice: %s", said);
    free(said);
    moda_memory_destroy(block, bytes);
}

Test(placement, refused_by_a_container)
{
    refused(EPERM, "SYS_NICE");
}

Test(placement, refused_by_a_kernel_without_nodes)
{
    refused(ENOSYS, "not implemented");
}

Test(placement, contents_survive)
{
    const moda_placement p = {.team = &even, .wish = MODA_PLACE_SLICED};
    const size_t bytes = PAGES * moda_page_bytes();
    unsigned char *block = (unsigned char *)block_of_pages();
    size_t wrong = 0;
    for (size_t i = 0; i < bytes; i++) block[i] = (unsigned char)(i * 7 + i / 4096);
    refusal = EPERM;
    test_capture(2);
    moda_place(&p, block, bytes, MODA_PLACE_SLICED);
    moda_place(&p, block, bytes, MODA_PLACE_INTERLEAVED);
    free(test_captured());
    for (size_t i = 0; i < bytes; i++) wrong += block[i] != (unsigned char)(i * 7 + i / 4096);
    cr_assert(eq(sz, wrong, 0));
    moda_memory_destroy(block, bytes);
}

/* ---- full nodes ---- */

static void node_file(unsigned node, const char *text)
{
    char path[64];
    snprintf(path, sizeof path, "node%u", node);
    cr_assert(eq(int, mkdir(test_path(path), 0777), 0));
    snprintf(path, sizeof path, "node%u/meminfo", node);
    FILE *f = fopen(test_path(path), "w");
    cr_assert(f != NULL);
    fputs(text, f);
    fclose(f);
}

Test(placement, a_full_node_is_said_once)
{
    node_file(0, "Node 0 MemTotal:  8000000 kB\nNode 0 MemFree:        4000000 kB\n");
    node_file(1, "Node 1 MemTotal:  8000000 kB\nNode 1 MemFree:            300 kB\n");
    node_file(2, "nonsense\n");
    char *root = strdup(test_folder());
    moda_node_files = root;
    cr_assert(eq(sz, moda_node_free(root, 0), 4000000ull * 1024));
    cr_assert(eq(sz, moda_node_free(root, 1), 300 * 1024));
    cr_assert(eq(sz, moda_node_free(root, 2), SIZE_MAX));
    cr_assert(eq(sz, moda_node_free(root, 3), SIZE_MAX));
    const moda_placement p = {.team = &even, .wish = MODA_PLACE_SLICED};
    const size_t fits[] = {1 << 20, 300 * 1024}, not_[] = {1 << 20, 1 << 20};
    test_capture(2);
    moda_placement_room(&p, fits, "weights");
    char *said = test_captured();
    cr_assert(eq(str, (char *)said, (char *)""));
    test_capture(2);
    moda_placement_room(&p, not_, "weights");
    moda_placement_room(&p, not_, "weights");
    free(said);
    said = test_captured();
    const char *first = strstr(said, "node 1 has 300.0 KiB free, 1.0 MiB planned for weights");
    cr_assert(first != NULL, "%s", said);
    cr_assert(strstr(first + 1, "node 1") == NULL, "said twice: %s", said);
    free(said);
    free(root);
}

/* ---- the real kernel ---- */

Test(placement, the_kernel_tells_where_pages_are)
{
    const size_t page = moda_page_bytes();
    int node[PAGES];
    char *block = block_of_pages();
    block[0] = block[7 * page] = block[999 * page] = 1;
    cr_assert(eq(int, moda_pages_ask(block, PAGES, node), MODA_OK), "%s", moda_last_error());
    for (size_t i = 0; i < PAGES; i++) {
        const bool touched = i == 0 || i == 7 || i == 999;
        cr_assert(eq(int, node[i] >= 0, touched), "page %zu: node %d", i, node[i]);
        cr_assert(node[i] < 0 || moda_node_usable((unsigned)node[i]), "node %d", node[i]);
    }
    moda_memory_destroy(block, PAGES * page);
}

Test(placement, hwloc_binds_to_a_node_that_is_there)
{
    void *block;
    const moda_placement p = {.team = &alone, .wish = MODA_PLACE_NODE, .node = 0};
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

/* ---- two real nodes, 0 and 1: in the virtual machine of make test-numa, or on such a server ---- */

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

Test(placement, real_slices)
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

Test(placement, real_pages_in_turn)
{
    if (!two_nodes_here()) cr_skip("two nodes needed");
    const moda_placement p = {.team = &even, .wish = MODA_PLACE_SLICED};
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
Test(placement, a_full_node_spills_over)
{
    const size_t left = moda_node_free(moda_node_files, 1), more = 64 << 20;
    if (!two_nodes_here() || left > (size_t)2 << 30 ||
        moda_node_free(moda_node_files, 0) < 6 * more)
        cr_skip("two small nodes needed");
    const moda_placement p = {.team = &even, .wish = MODA_PLACE_NODE, .node = 1};
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
