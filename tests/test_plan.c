/* tests/test_plan.c - engine/plan.h: buffers that are alive together never share bytes, and a plan
 * is hardly larger than what must be alive at once. */
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
            b[i] =
                (moda_plan_buffer){draw(5) ? draw(5000) : 0, draw(steps), draw(steps), (size_t)-1};
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
    cr_assert(gt(sz, sharing, TRIALS / 2), "almost nothing could share: this proves nothing");
}

/* A network of layers: outputs live until their backward step, gradients two steps, scratch one. */
static size_t network(moda_plan_buffer *b, size_t layers)
{
    size_t n = 0, bytes = 1 << 20;
    for (size_t i = 0; i < layers; i++) {
        const size_t back = 2 * layers - 1 - i;
        if (draw(3) == 0) bytes = bytes * (1 + draw(2)) / 2 + 64;
        b[n++] = (moda_plan_buffer){bytes, i, back, 0};
        b[n++] = (moda_plan_buffer){bytes, back - (i + 1 < layers), back, 0};
        if (draw(2)) b[n++] = (moda_plan_buffer){draw(1 << 18), i, i, 0};
        if (draw(2)) b[n++] = (moda_plan_buffer){draw(1 << 19), back, back, 0};
        if (draw(2)) b[n++] = (moda_plan_buffer){4096, i, back, 0};
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
    moda_plan_buffer b[] = {{100, 0, 1, 9}, {64, 0, 1, 9}, {128, 2, 3, 9}, {64, 2, 3, 9}};
    cr_assert(eq(sz, plan(b, 4), 192));
    check_plan(b, 4, 4, 192);
}

Test(plan, nothing_to_place)
{
    moda_plan_buffer b[] = {{1000, 5, 4, 9}, {0, 0, 9, 9}, {77, (size_t)-1, 0, 9}};
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
