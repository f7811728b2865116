/* tests/test_plan.c - engine/plan.h: buffers that are alive together never share bytes, and a plan
 * is hardly larger than what must be alive at once; sliced ones share whole ranges or nothing. */
#include "base/rng.h"
#include "engine/plan.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdbool.h>
#include <string.h>

TestSuite(plan, .timeout = 60);

enum { MOST = 160, TRIALS = 400 };

static uint64_t drawn;
static size_t draw(size_t bound)
{
    return (size_t)moda_rng_below(moda_rng_make(1, MODA_RNG_TEST, 0), drawn++, bound);
}

static size_t plan(moda_plan_buffer *b, size_t n)
{
    size_t total = 0;
    cr_assert(eq(int, moda_plan(b, n, &total), MODA_OK), "%s", moda_last_error());
    return total;
}

static bool used(const moda_plan_buffer *b)
{
    return b->bytes && b->first <= b->last;
}

/* Step by step: who is alive, and do two of them hold one byte. */
static void check_plan(const moda_plan_buffer *b, size_t n, size_t steps, size_t total)
{
    for (size_t i = 0; i < n; i++) {
        cr_assert(eq(sz, b[i].offset % MODA_PLAN_ALIGNMENT, 0), "buffer %zu at %zu", i,
                  b[i].offset);
        if (used(&b[i]))
            cr_assert(le(sz, b[i].offset + b[i].bytes, total), "buffer %zu ends behind %zu", i,
                      total);
    }
    for (size_t s = 0; s < steps; s++)
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < i; j++) {
                const bool both = used(&b[i]) && used(&b[j]) && b[i].first <= s && s <= b[i].last &&
                                  b[j].first <= s && s <= b[j].last;
                if (!both) continue;
                cr_assert(b[i].offset + b[i].bytes <= b[j].offset ||
                              b[j].offset + b[j].bytes <= b[i].offset,
                          "step %zu: [%zu,+%zu) and [%zu,+%zu) are alive and overlap", s,
                          b[i].offset, b[i].bytes, b[j].offset, b[j].bytes);
            }
}

/* Bytes alive at the fullest step, each buffer in whole cache lines. */
static size_t peak(const moda_plan_buffer *b, size_t n, size_t steps)
{
    size_t most = 0;
    for (size_t s = 0; s < steps; s++) {
        size_t alive = 0;
        for (size_t i = 0; i < n; i++)
            if (b[i].first <= s && s <= b[i].last) alive += (b[i].bytes + 63) / 64 * 64;
        if (alive > most) most = alive;
    }
    return most;
}

/* Any lifetimes, any sizes, some unused, some empty. */
Test(plan, random_buffers)
{
    moda_plan_buffer b[MOST];
    size_t sharing = 0;
    for (size_t trial = 0; trial < TRIALS; trial++) {
        const size_t n = 1 + draw(40), steps = 1 + draw(30);
        size_t sum = 0;
        for (size_t i = 0; i < n; i++) {
            b[i] = (moda_plan_buffer){draw(5) ? draw(5000) : 0, draw(steps), draw(steps),
                                      (size_t)-1, false};
            if (draw(3) && b[i].first > b[i].last) b[i].last = b[i].first;
            if (used(&b[i])) sum += (b[i].bytes + 63) / 64 * 64;
        }
        const size_t total = plan(b, n), least = moda_plan_lower_bound(b, n);
        check_plan(b, n, steps, total);
        cr_assert(eq(sz, least, peak(b, n, steps)));
        cr_assert(ge(sz, total, least));
        cr_assert(le(sz, total, sum));
        sharing += total < sum;
    }
    cr_assert(lt(sz, TRIALS / 2, sharing), "almost nothing could share: this proves nothing");
}

/* A network of layers: outputs live until their backward step, gradients two steps, scratch one. */
static size_t network(moda_plan_buffer *b, size_t layers)
{
    size_t n = 0, bytes = 1 << 20;
    for (size_t i = 0; i < layers; i++) {
        const size_t back = 2 * layers - 1 - i;
        if (draw(3) == 0) bytes = bytes * (1 + draw(2)) / 2 + 64;
        b[n++] = (moda_plan_buffer){bytes, i, back, 0, false};
        b[n++] = (moda_plan_buffer){bytes, back - (i + 1 < layers), back, 0, false};
        if (draw(2)) b[n++] = (moda_plan_buffer){draw(1 << 18), i, i, 0, false};
        if (draw(2)) b[n++] = (moda_plan_buffer){draw(1 << 19), back, back, 0, false};
        if (draw(2)) b[n++] = (moda_plan_buffer){4096, i, back, 0, false};
    }
    return n;
}

Test(plan, networks_need_hardly_more_than_what_is_alive)
{
    moda_plan_buffer b[MOST];
    double worst = 0, sum = 0;
    for (size_t trial = 0; trial < TRIALS; trial++) {
        const size_t layers = 2 + draw(28), n = network(b, layers);
        const size_t total = plan(b, n), least = moda_plan_lower_bound(b, n);
        check_plan(b, n, 2 * layers, total);
        const double ratio = (double)total / (double)least;
        if (ratio > worst) worst = ratio;
        sum += ratio;
    }
    cr_assert(ge(dbl, sum / TRIALS, 1.0));
    cr_assert(lt(dbl, sum / TRIALS, 1.03));
    cr_assert(lt(dbl, worst, 1.25));
}

/* Two chains that never meet lie on top of each other. */
Test(plan, buffers_that_never_meet_share)
{
    moda_plan_buffer b[] = {
        {100, 0, 1, 9, false}, {64, 0, 1, 9, false}, {128, 2, 3, 9, false}, {64, 2, 3, 9, false}};
    cr_assert(eq(sz, plan(b, 4), 192));
    check_plan(b, 4, 4, 192);
}

Test(plan, nothing_to_place)
{
    moda_plan_buffer b[] = {
        {1000, 5, 4, 9, false}, {0, 0, 9, 9, false}, {77, (size_t)-1, 0, 9, false}};
    cr_assert(eq(sz, plan(b, 3), 0));
    cr_assert(eq(sz, moda_plan_lower_bound(b, 3), 0));
    for (size_t i = 0; i < 3; i++) cr_assert(eq(sz, b[i].offset, 0));
    cr_assert(eq(sz, plan(NULL, 0), 0));
    cr_assert(eq(sz, moda_plan_lower_bound(NULL, 0), 0));
}

/* A plan is a function of its input alone. */
Test(plan, same_input_same_plan)
{
    moda_plan_buffer b[MOST], again[MOST];
    const size_t n = network(b, 20);
    memcpy(again, b, n * sizeof *b);
    for (size_t i = 0; i < n; i++) again[i].offset = i; /* old answers count for nothing */
    cr_assert(eq(sz, plan(b, n), plan(again, n)));
    for (size_t i = 0; i < n; i++) cr_assert(eq(sz, b[i].offset, again[i].offset), "%zu", i);
}

/* ---- several nodes ---- */

enum { PAGE = 4096 };

static size_t plan_sliced(moda_plan_buffer *b, size_t n, size_t *front)
{
    size_t total = 0;
    cr_assert(eq(int, moda_plan_sliced(b, n, PAGE, front, &total), MODA_OK), "%s",
              moda_last_error());
    return total;
}

static size_t paged(const moda_plan_buffer *b)
{
    return (b->bytes + PAGE - 1) / PAGE * PAGE;
}

/* Whatever the lifetimes: a page that a sliced buffer has belongs to nobody else, or to sliced ones of
 * the same pages. */
static void check_slices(const moda_plan_buffer *b, size_t n, size_t front, size_t total)
{
    for (size_t i = 0; i < n; i++) {
        if (!used(&b[i])) continue;
        if (b[i].sliced) {
            cr_assert(eq(sz, b[i].offset % PAGE, 0));
            cr_assert(le(sz, b[i].offset + paged(&b[i]), front), "buffer %zu", i);
        } else
            cr_assert(ge(sz, b[i].offset, front), "buffer %zu is in the front", i);
        for (size_t j = 0; j < i; j++) {
            if (!used(&b[j]) || !b[i].sliced || !b[j].sliced) continue;
            const bool same = b[i].offset == b[j].offset && paged(&b[i]) == paged(&b[j]);
            cr_assert(same || b[i].offset + paged(&b[i]) <= b[j].offset ||
                          b[j].offset + paged(&b[j]) <= b[i].offset,
                      "[%zu,+%zu) and [%zu,+%zu) share pages", b[i].offset, b[i].bytes, b[j].offset,
                      b[j].bytes);
        }
    }
    cr_assert(le(sz, front, total));
}

/* For each size in pages, as many ranges as are alive at its fullest step; counted step by step. */
static size_t least_front(const moda_plan_buffer *b, size_t n, size_t steps)
{
    size_t sum = 0;
    for (size_t pages = 1; pages <= 5; pages++) {
        size_t most = 0;
        for (size_t s = 0; s < steps; s++) {
            size_t alive = 0;
            for (size_t i = 0; i < n; i++)
                alive += b[i].sliced && paged(&b[i]) == pages * PAGE && b[i].first <= s &&
                         s <= b[i].last;
            if (alive > most) most = alive;
        }
        sum += most * pages * PAGE;
    }
    return sum;
}

Test(plan, sliced_buffers_share_ranges_or_nothing)
{
    moda_plan_buffer b[MOST], rest[MOST];
    size_t shared = 0;
    for (size_t trial = 0; trial < TRIALS; trial++) {
        const size_t n = 1 + draw(40), steps = 1 + draw(30);
        size_t front, alone = 0;
        for (size_t i = 0; i < n; i++) {
            b[i] = (moda_plan_buffer){draw(5) ? draw(5 * PAGE) : 0, draw(steps), draw(steps), 9,
                                      draw(2)};
            if (draw(3) && b[i].first > b[i].last) b[i].last = b[i].first;
            rest[i] = b[i];
            if (b[i].sliced) rest[i].bytes = 0;
            if (b[i].sliced && used(&b[i])) alone += paged(&b[i]);
        }
        const size_t total = plan_sliced(b, n, &front);
        check_plan(b, n, steps, total);
        check_slices(b, n, front, total);
        cr_assert(eq(sz, front, least_front(b, n, steps)), "trial %zu", trial);
        cr_assert(eq(sz, total - front, plan(rest, n)), "the rest is planned as on one node");
        shared += front < alone;
    }
    cr_assert(lt(sz, TRIALS / 2, shared), "hardly any range was shared: this proves nothing");
}

/* On one node nobody asks which buffers are sliced. */
Test(plan, one_node_ignores_slices)
{
    moda_plan_buffer b[MOST], marked[MOST];
    const size_t n = network(b, 20);
    memcpy(marked, b, n * sizeof *b);
    for (size_t i = 0; i < n; i++) marked[i].sliced = draw(2);
    cr_assert(eq(sz, plan(b, n), plan(marked, n)));
    for (size_t i = 0; i < n; i++) cr_assert(eq(sz, b[i].offset, marked[i].offset), "%zu", i);
}

Test(plan, nothing_sliced_nothing_in_front)
{
    moda_plan_buffer b[] = {{100, 0, 1, 9, false}, {64, 0, 1, 9, false}, {500, 4, 3, 9, true}};
    size_t front = 77;
    cr_assert(eq(sz, plan_sliced(b, 3, &front), 192));
    cr_assert(eq(sz, front, 0));
    cr_assert(eq(sz, plan_sliced(NULL, 0, &front), 0));
}
