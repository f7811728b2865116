/* tests/test_replicas.c - numa/replicas.h, and images that every node has a copy of: the same batches,
 * read from the thread's own node. */
#include "datasets/batch.h"
#include "datasets/reader_internal.h"
#include "numa/memory.h"
#include "numa/pages.h"
#include "numa/placement_internal.h"
#include "numa/replicas.h"
#include "tests/capture.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <omp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static moda_team_node nodes[] = {{0, 0, 2}, {1, 2, 2}};
static const moda_team team = {.threads = 4, .nodes = 2, .node = nodes};
static const moda_placement sliced = {.team = &team, .wish = MODA_PLACE_SLICED};

static int agree(void *at, size_t bytes, const unsigned *os_index, size_t count, bool move)
{
    (void)move, (void)at, (void)bytes, (void)os_index, (void)count;
    return 0;
}

static moda_binder bind_really;

static void setup(void)
{
    bind_really = moda_bind_memory;
    moda_bind_memory = agree;
    omp_set_dynamic(0);
    omp_set_num_threads(4);
}

TestSuite(replicas, .init = setup, .fini = test_folder_remove, .timeout = 60);

Test(replicas, every_thread_has_its_nodes_copy)
{
    enum { BYTES = 5 << 20 };
    moda_replicas *r;
    cr_assert(eq(int, moda_replicas_create(&sliced, BYTES, "a test", &r), MODA_OK));
    cr_assert(r != NULL);
    cr_assert(eq(sz, moda_replicas_count(r), 2));
    uint8_t *first = moda_replicas_at(r, 0), *second = moda_replicas_at(r, 1);
    for (size_t i = 0; i < BYTES; i++) first[i] = (uint8_t)(i * 31 + i / 1000);
    moda_replicas_spread(r);
    cr_assert(zero(int, memcmp(first, second, BYTES)));
    const uint8_t *seen[4];
#pragma omp parallel num_threads(4)
    seen[omp_get_thread_num()] = first + moda_replicas_shift(r);
    for (size_t t = 0; t < 4; t++) cr_assert(eq(ptr, (void *)seen[t], t < 2 ? first : second));
    omp_set_num_threads(1); /* fewer threads than the team had */
    memset(second, 0, BYTES);
    moda_replicas_spread(r);
    cr_assert(zero(int, memcmp(first, second, BYTES)));
    moda_replicas_destroy(r);
    moda_replicas_destroy(NULL);
}

static void no_replicas(const moda_placement *p, size_t bytes)
{
    moda_replicas *r = (moda_replicas *)&r;
    cr_assert(eq(int, moda_replicas_create(p, bytes, "a test", &r), MODA_OK));
    cr_assert(r == NULL);
}

Test(replicas, not_where_they_are_not_worth_while)
{
    static moda_team_node one[] = {{0, 0, 4}};
    static const moda_team alone = {.threads = 4, .nodes = 1, .node = one};
    moda_placement p = {.team = &alone, .wish = MODA_PLACE_SLICED};
    no_replicas(&p, 1000);
    p.team = &team, p.wish = MODA_PLACE_INTERLEAVED;
    no_replicas(&p, 1000);
    no_replicas(&sliced, 0);
    moda_node_files = test_folder(); /* node 1 has 4000 kB */
    for (int k = 0; k < 2; k++) {
        char path[64];
        snprintf(path, sizeof path, "%s/node%d", test_folder(), k);
        cr_assert(eq(int, mkdir(path, 0777), 0));
        snprintf(path, sizeof path, "node%d/meminfo", k);
        test_write(path, k ? "Node 1 MemFree: 4000 kB\n" : "Node 0 MemFree: 9000 kB\n");
    }
    no_replicas(&sliced, 1001 * 1024);
    moda_replicas *r;
    cr_assert(eq(int, moda_replicas_create(&sliced, 1000 * 1024, "a test", &r), MODA_OK));
    cr_assert(r != NULL, "a quarter fits");
    moda_replicas_destroy(r);
}

/* ---- images ---- */

enum { N = 90, SIDE = 12, STRIDE = 3 * SIDE * SIDE, BATCH = 32 };

/* Images of one size, or each of its own. */
static moda_images make(bool own)
{
    moda_images m = {0};
    uint64_t state = 1;
    if (own)
        cr_assert(eq(int, moda_images_alloc_own(&m, N, 3, SIDE, SIDE), MODA_OK));
    else
        cr_assert(eq(int, moda_images_alloc(&m, N, 3, SIDE, SIDE), MODA_OK));
    for (size_t i = 0; i < N; i++) {
        const size_t h = SIDE + (own ? i % 7 : 0), w = SIDE + (own ? i % 5 : 0);
        uint8_t *to = own ? malloc(3 * h * w) : m.pixels + i * STRIDE;
        for (size_t p = 0; p < 3 * h * w; p++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            to[p] = (uint8_t)(state >> 56);
        }
        if (own) m.own[i] = (moda_own_image){h, w, to};
        m.labels[i] = (uint32_t)(i % 10);
    }
    return m;
}

/* All batches of two epochs. */
static float *batches_of(const moda_images *m, bool own)
{
    moda_batch_options o = {.batch_size = BATCH, .shuffle = true, .flip = true, .seed = 5};
    moda_batches *b;
    float *x = calloc(2 * N * STRIDE, sizeof *x), *at = x;
    uint32_t labels[BATCH];
    for (size_t c = 0; c < 3; c++) o.mean[c] = .5f, o.std[c] = .25f;
    o.crop_padding = own ? 0 : 2, o.crop_resized = own;
    cr_assert(eq(int, moda_batches_create(m, &o, &b), MODA_OK), "%s", moda_last_error());
    for (size_t epoch = 0; epoch < 2; epoch++) {
        moda_batches_start_epoch(b, epoch);
        for (size_t s = 0; s < moda_batches_per_epoch(b); s++)
            at += moda_batches_fill(b, s, at, labels) * STRIDE;
    }
    cr_assert(eq(ptr, at, x + 2 * N * STRIDE));
    moda_batches_destroy(b);
    return x;
}

static void same_batches(bool own)
{
    moda_images plain = make(own), copied = make(own);
    cr_assert(eq(int, moda_images_replicate(&copied, &sliced), MODA_OK), "%s", moda_last_error());
    cr_assert(copied.replicas != NULL && plain.replicas == NULL);
    moda_placement_team = &team; /* threads take fixed shares of a batch */
    float *want = batches_of(&plain, own), *got = batches_of(&copied, own);
    cr_assert(zero(int, memcmp(want, got, 2 * N * STRIDE * sizeof *want)));
    /* What threads 2 and 3 read is the second copy: the second half of a full batch, nothing else. */
    memset(moda_replicas_at(copied.replicas, 1), 0, own ? 90 * 3 * SIDE * SIDE : N * STRIDE);
    float *half = batches_of(&copied, own);
    const size_t full = BATCH * STRIDE * sizeof *want;
    cr_assert(zero(int, memcmp(want, half, full / 2)), "node 0 reads the first copy");
    size_t differ = 0;
    for (size_t i = BATCH / 2; i < BATCH; i++)
        differ += memcmp(want + i * STRIDE, half + i * STRIDE, STRIDE * sizeof *want) != 0;
    cr_assert(lt(sz, BATCH / 2 - 6, differ), "%zu: node 1 reads its own copy", differ);
    free(want), free(got), free(half);
    moda_images_free(&plain);
    moda_images_free(&copied);
}

Test(replicas, same_batches_from_copies)
{
    same_batches(false);
}

Test(replicas, same_batches_from_copies_of_pictures_of_their_own_sizes)
{
    same_batches(true);
}

/* Without copies the pixels stay where they are, placed as the user wants. */
Test(replicas, no_copies_same_pixels)
{
    moda_images m = make(false), same = make(false);
    const moda_placement p = {.team = &team, .wish = MODA_PLACE_INTERLEAVED};
    const uint8_t *before = m.pixels;
    cr_assert(eq(int, moda_images_replicate(&m, &p), MODA_OK));
    cr_assert(eq(ptr, (void *)m.pixels, (void *)before));
    cr_assert(m.replicas == NULL);
    cr_assert(zero(int, memcmp(m.pixels, same.pixels, N * STRIDE)));
    moda_images_free(&m);
    moda_images_free(&same);
}

/* In the virtual machine of make test-numa, or on a server: each copy is on its node. */
Test(replicas, real_nodes_hold_their_copies)
{
    if (!moda_node_usable(0) || !moda_node_usable(1)) cr_skip("two nodes needed");
    enum { BYTES = 5 << 20 };
    moda_replicas *r;
    size_t wrong = 0;
    const size_t pages = BYTES / moda_page_bytes();
    int *node = malloc(pages * sizeof *node);
    moda_bind_memory = bind_really;
    cr_assert(eq(int, moda_replicas_create(&sliced, BYTES, "a test", &r), MODA_OK));
    memset(moda_replicas_at(r, 0), 1, BYTES);
    moda_replicas_spread(r);
    for (int k = 0; k < 2; k++) {
        cr_assert(eq(int, moda_pages_ask(moda_replicas_at(r, (size_t)k), pages, node), MODA_OK));
        for (size_t i = 0; i < pages; i++) wrong += node[i] != k;
    }
    cr_assert(eq(sz, wrong, 0), "%zu pages are elsewhere", wrong);
    free(node);
    moda_replicas_destroy(r);
}
