/* numa/placement.c - from policies to pages. */
#include "numa/placement.h"
#include "base/log.h"
#include "base/table.h"
#include "numa/memory.h"
#include "numa/pages.h"
#include "numa/placement_internal.h"
#include <errno.h>
#include <omp.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static moda_policy wanted = MODA_PLACE_SLICED;
static unsigned wanted_node;
const moda_team *moda_placement_team;

static const char *const words[] = {[MODA_PLACE_SLICED] = "sliced",
                                    [MODA_PLACE_INTERLEAVED] = "interleaved",
                                    [MODA_PLACE_LOCAL] = "first-touch",
                                    [MODA_PLACE_NODE] = "node:"};

/* ---- the user's wish ---- */

moda_status moda_placement_parse(const char *text, moda_placement *placement)
{
    moda_status st = MODA_OK;
    moda_policy p = 0;
    unsigned node = 0;
    while (p < MODA_PLACE_NODE && strcmp(text, words[p]) != 0) p++;
    if (p == MODA_PLACE_NODE) {
        const size_t n = strlen(words[p]);
        const char *digits = strncmp(text, words[p], n) == 0 ? text + n : "";
        MODA_CHECK(*digits && strlen(digits) < 7 && !digits[strspn(digits, "0123456789")],
                   MODA_ERR_ARG,
                   "--placement '%s': give sliced, interleaved, first-touch or node:N", text);
        node = (unsigned)strtoul(digits, NULL, 10);
    }
    placement->wish = p, placement->node = node;
out:
    return st;
}

char *moda_placement_word(const moda_placement *placement, char *buffer)
{
    if (placement->wish == MODA_PLACE_NODE)
        snprintf(buffer, 24, "node:%u", placement->node);
    else
        snprintf(buffer, 24, "%s", words[placement->wish]);
    return buffer;
}

moda_status moda_placement_set(const moda_placement *placement)
{
    moda_status st = MODA_OK;
    MODA_CHECK(
        placement->wish != MODA_PLACE_NODE || moda_node_usable(placement->node), MODA_ERR_ARG,
        "--placement node:%u: this process has no memory there; see `moda topo`", placement->node);
    wanted = placement->wish, wanted_node = placement->node;
out:
    return st;
}

moda_placement moda_placement_current(void)
{
    const moda_team *team = moda_placement_team ? moda_placement_team : moda_team_current();
    return (moda_placement){team, wanted, wanted_node};
}

/* ---- arithmetic ---- */

moda_policy moda_placement_policy(const moda_placement *p, moda_policy policy)
{
    if (p->wish != MODA_PLACE_SLICED) policy = p->wish;
    return p->team->nodes < 2 && policy != MODA_PLACE_NODE ? MODA_PLACE_LOCAL : policy;
}

static size_t pages_of(size_t bytes)
{
    return (bytes + moda_page_bytes() - 1) / moda_page_bytes();
}

size_t moda_slice_end(const moda_team *team, size_t bytes, size_t k)
{
    const moda_team_node *n = &team->node[k];
    const size_t end = n->first_thread + n->threads, pages = pages_of(bytes);
    if (k + 1 == team->nodes) return pages * moda_page_bytes();
    return (pages * end + team->threads / 2) / team->threads * moda_page_bytes();
}

size_t moda_placement_homes(const moda_placement *p, unsigned *os_index)
{
    bool known = p->wish != MODA_PLACE_NODE;
    size_t n = 0;
    for (; n < p->team->nodes; n++) {
        os_index[n] = p->team->node[n].os_index;
        known |= os_index[n] == p->node;
    }
    if (!known) os_index[n++] = p->node;
    return n;
}

void moda_placement_spread(const moda_placement *p, moda_policy policy, size_t bytes, size_t *home)
{
    const size_t nodes = p->team->nodes, pages = pages_of(bytes), page = moda_page_bytes();
    size_t k = 0;
    switch (moda_placement_policy(p, policy)) {
    case MODA_PLACE_SLICED:
        for (size_t begin = 0, end; k < nodes; k++, begin = end)
            home[k] += (end = moda_slice_end(p->team, bytes, k)) - begin;
        break;
    case MODA_PLACE_INTERLEAVED:
        for (; k < nodes; k++) home[k] += (pages / nodes + (k < pages % nodes)) * page;
        break;
    case MODA_PLACE_NODE:
        while (k < nodes && p->team->node[k].os_index != p->node) k++;
        home[k] += pages * page;
        break;
    case MODA_PLACE_LOCAL: break;
    }
}

/* ---- a node that is full ---- */

void moda_placement_room(const moda_placement *p, const size_t *home, const char *what)
{
    static atomic_flag said = ATOMIC_FLAG_INIT;
    unsigned *os_index = calloc(p->team->nodes + 1, sizeof *os_index);
    const size_t homes = os_index ? moda_placement_homes(p, os_index) : 0;
    for (size_t k = 0; k < homes; k++) {
        const size_t left = home[k] ? moda_node_free(moda_node_files, os_index[k]) : SIZE_MAX;
        char has[16], needs[16];
        if (home[k] <= left || atomic_flag_test_and_set(&said)) continue;
        moda_log(
            MODA_LOG_WARNING,
            "node %u has %s free, %s planned for %s: the rest goes to other nodes, which is slower",
            os_index[k], moda_human_bytes((double)left, has),
            moda_human_bytes((double)home[k], needs), what);
    }
    free(os_index);
}

/* ---- binding ---- */

/* The thread that works on a page makes it present; of interleaved memory the threads take turns, in
 * pieces as large as a huge page. Contents stay. */
static void touch(char *block, size_t bytes, moda_policy policy)
{
    const size_t page = moda_page_bytes(), pages = pages_of(bytes);
    const size_t each = pages / (size_t)omp_get_max_threads() + 1;
    /* NOLINTNEXTLINE(clang-analyzer-deadcode.DeadStores): read by schedule() */
    const size_t run = policy == MODA_PLACE_SLICED ? each : MODA_HUGE_PAGE / page;
#pragma omp parallel for schedule(static, run)
    for (size_t i = 0; i < pages; i++) /* one write: a read before it would be a fault of its own */
        __atomic_fetch_or(block + i * page, 0, __ATOMIC_RELAXED);
}

static void say_refused(int error)
{
    static atomic_flag said = ATOMIC_FLAG_INIT;
    if (atomic_flag_test_and_set(&said)) return;
    moda_log(MODA_LOG_WARNING,
             "memory cannot be bound to nodes (%s%s): pages go where a thread touches them first",
             strerror(error),
             error == EPERM || error == ENOSYS ? "; in a container, allow it SYS_NICE" : "");
}

static bool bind_pages(char *at, size_t bytes, const unsigned *os_index, size_t nodes, bool move)
{
    const bool bound = !bytes || moda_bind_memory(at, bytes, os_index, nodes, move) == 0;
    if (!bound) say_refused(errno);
    return bound;
}

static bool bind_slices(const moda_team *team, char *block, size_t bytes, bool move)
{
    bool bound = true;
    for (size_t k = 0, begin = 0, end; bound && k < team->nodes; k++, begin = end) {
        end = moda_slice_end(team, bytes, k);
        bound = bind_pages(block + begin, end - begin, &team->node[k].os_index, 1, move);
    }
    return bound;
}

static bool bind_in_turn(const moda_team *team, char *block, size_t bytes, bool move)
{
    unsigned *os_index = calloc(team->nodes, sizeof *os_index);
    for (size_t k = 0; os_index && k < team->nodes; k++) os_index[k] = team->node[k].os_index;
    const bool bound = os_index && bind_pages(block, bytes, os_index, team->nodes, move);
    free(os_index);
    return bound;
}

static void place(const moda_placement *p, void *block, size_t bytes, moda_policy policy, bool move)
{
    bool bound = true;
    const size_t whole = pages_of(bytes) * moda_page_bytes();
    const moda_policy becomes = moda_placement_policy(p, policy);
    switch (becomes) {
    case MODA_PLACE_SLICED: bound = bind_slices(p->team, block, whole, move); break;
    case MODA_PLACE_INTERLEAVED: bound = bind_in_turn(p->team, block, whole, move); break;
    case MODA_PLACE_NODE: bind_pages(block, whole, &p->node, 1, move); break;
    case MODA_PLACE_LOCAL: break;
    }
    if (!bound) touch(block, bytes, becomes);
}

void moda_place(const moda_placement *p, void *block, size_t bytes, moda_policy policy)
{
    place(p, block, bytes, policy, false);
}

void moda_place_again(const moda_placement *p, void *block, size_t bytes, moda_policy policy)
{
    place(p, block, bytes, policy, true);
}
