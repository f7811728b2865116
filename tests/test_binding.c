/* tests/test_binding.c - numa/placement.h with a kernel of our own: what it is asked, and what
 * is said when it refuses or a node is full. */
#include "base/file.h"
#include "numa/memory.h"
#include "numa/pages.h"
#include "numa/placement.h"
#include "numa/placement_internal.h"
#include "tests/capture.h"
#include "tests/teams.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

TestSuite(binding, .fini = test_folder_remove, .timeout = 60);

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

static char *block_of_pages(void)
{
    moda_bind_memory = note;
    return test_pages_create();
}

static size_t present(const char *block)
{
    static int node[TEST_PAGES];
    size_t n = 0;
    cr_assert(eq(int, moda_pages_ask(block, TEST_PAGES, node), MODA_OK), "%s", moda_last_error());
    for (size_t i = 0; i < TEST_PAGES; i++) n += node[i] >= 0;
    return n;
}

Test(binding, every_slice_is_bound_to_its_node)
{
    const moda_placement p = {.team = &test_team_uneven, .wish = MODA_PLACE_SLICED};
    char *block = block_of_pages(), *at = block;
    const size_t bytes = TEST_PAGES * moda_page_bytes();
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

Test(binding, one_node_asks_for_nothing)
{
    moda_placement p = {.team = &test_team_alone, .wish = MODA_PLACE_SLICED};
    char *block = block_of_pages();
    const size_t bytes = TEST_PAGES * moda_page_bytes();
    moda_place(&p, block, bytes, MODA_PLACE_SLICED);
    moda_place(&p, block, bytes, MODA_PLACE_INTERLEAVED);
    moda_place(&p, block, bytes, MODA_PLACE_LOCAL);
    p.wish = MODA_PLACE_INTERLEAVED;
    moda_place(&p, block, bytes, MODA_PLACE_SLICED);
    p.team = &test_team_even, p.wish = MODA_PLACE_LOCAL;
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
    const moda_placement p = {.team = &test_team_even, .wish = MODA_PLACE_SLICED};
    char *block = block_of_pages();
    const size_t bytes = TEST_PAGES * moda_page_bytes();
    refusal = error;
    test_capture(2);
    moda_place(&p, block, bytes, MODA_PLACE_SLICED);
    const size_t touched = present(block);
    moda_place(&p, block, bytes, MODA_PLACE_INTERLEAVED);
    char *said = test_captured();
    cr_assert(eq(sz, touched, TEST_PAGES), "pages are touched where they cannot be bound");
    const char *first = strstr(said, "cannot be bound");
    cr_assert(first && strstr(said, word), "%s", said);
    cr_assert(strstr(first + 1, "cannot be bound") == NULL, "said twice: %s", said);
    free(said);
    moda_memory_destroy(block, bytes);
}

Test(binding, refused_by_a_container)
{
    refused(EPERM, "SYS_NICE");
}

Test(binding, refused_by_a_kernel_without_nodes)
{
    refused(ENOSYS, "not implemented");
}

Test(binding, contents_survive)
{
    const moda_placement p = {.team = &test_team_even, .wish = MODA_PLACE_SLICED};
    const size_t bytes = TEST_PAGES * moda_page_bytes();
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

Test(binding, a_full_node_is_said_once)
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
    const moda_placement p = {.team = &test_team_even, .wish = MODA_PLACE_SLICED};
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
