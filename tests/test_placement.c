/* tests/test_placement.c - numa/placement.h: which node gets how many pages of what, and the
 * words of --placement. */
#include "numa/memory.h"
#include "numa/placement.h"
#include "numa/placement_internal.h"
#include "tests/teams.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

TestSuite(placement, .timeout = 60);

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
    const moda_team *teams[] = {&test_team_uneven, &test_team_even, &test_team_alone};
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
    for (size_t k = 0; k < 4; k++)
        cr_assert(eq(sz, slice(&test_team_uneven, 10 * page - 1, k), want[k]));
    cr_assert(eq(sz, slice(&test_team_even, 1, 0), page), "half a page rounds up");
    cr_assert(eq(sz, slice(&test_team_even, 1, 1), 0), "and leaves an empty slice");
}

Test(placement, spread_by_policy)
{
    const size_t page = moda_page_bytes(), bytes = 10 * page;
    moda_placement p = {.team = &test_team_uneven, .wish = MODA_PLACE_SLICED};
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
    moda_placement p = {.team = &test_team_uneven, .wish = MODA_PLACE_SLICED, .node = 99};
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
