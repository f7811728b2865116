/* engine/profile_print.c - a profile as tables on stdout. */
#include "base/table.h"
#include "engine/profile.h"
#include <stdio.h>
#include <stdlib.h>

enum { LARGEST = 8 };

/* What a row's work amounts to: in the time given, per cent of the machine's limits beside it. */
static void rates(moda_table *t, moda_profile_peaks peaks, double flops, double bytes,
                  double seconds)
{
    const struct {
        double amount, peak;
    } columns[] = {{flops, peaks.flops}, {bytes, peaks.bandwidth}};
    for (size_t i = 0; i < 2; i++) {
        const double rate = seconds > 0 ? columns[i].amount / seconds : 0;
        if (rate > 0) {
            moda_table_cell(t, "%.1f", rate * 1e-9);
            moda_table_cell(t, "%.0f%%", 100 * rate / columns[i].peak);
        } else {
            moda_table_cell(t, "%s", "");
            moda_table_cell(t, "%s", "");
        }
    }
}

#define RATE_HEADS ">GFLOP/s|>of peak|>GB/s|>of triad"

static void part_row(moda_table *t, const moda_profile *p, size_t index)
{
    const moda_profile_part *part = moda_profile_part_at(p, index);
    const moda_profile_time time = moda_profile_part_time(p, index);
    moda_table_row(t, "%s|%s|%s|%.3f|%.1f%%", part->layer, moda_pass_name(part->pass), part->kernel,
                   time.seconds * 1e3, time.share * 100);
    rates(t, moda_profile_limits(p), part->flops, part->bytes, time.seconds);
}

static void print_parts(const moda_profile *p, const size_t *order, size_t count)
{
    moda_table *t = moda_table_create("layer|pass|kernel|>ms|>share|" RATE_HEADS);
    for (size_t i = 0; i < count; i++) part_row(t, p, order[i]);
    moda_table_print(t);
    moda_table_destroy(t);
}

static void total_row(moda_table *t, const char *name, moda_profile_time time)
{
    moda_table_row(t, "%s||%.3f|%.1f%%", name, time.seconds * 1e3, time.share * 100);
}

static void print_kinds(const moda_profile *p)
{
    moda_table *t = moda_table_create("kind|>parts|>ms|>share|" RATE_HEADS);
    for (moda_work work = 0; work < MODA_WORK_COUNT; work++) {
        const moda_profile_time time = moda_profile_work_time(p, work);
        double flops = 0, bytes = 0;
        size_t count = 0;
        for (size_t i = 0; i < moda_profile_parts(p); i++) {
            const moda_profile_part *part = moda_profile_part_at(p, i);
            if (part->work != work) continue;
            flops += part->flops, bytes += part->bytes, count++;
        }
        if (!count) continue;
        moda_table_row(t, "%s|%zu|%.3f|%.1f%%", moda_work_name(work), count, time.seconds * 1e3,
                       time.share * 100);
        rates(t, moda_profile_limits(p), flops, bytes, time.seconds);
    }
    total_row(t, "all parts", moda_profile_all_parts(p));
    total_row(t, "rest", moda_profile_rest(p));
    total_row(t, "whole step", moda_profile_whole_step(p));
    moda_table_print(t);
    moda_table_destroy(t);
}

/* ---- orders ---- */

typedef struct entry {
    size_t index, place;
    double seconds;
} entry;

static int compare(size_t a, size_t b)
{
    return (a > b) - (a < b);
}

static int by_place(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    const int place = compare(x->place, y->place);
    return place ? place : compare(x->index, y->index);
}

static int largest_first(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    if (x->seconds != y->seconds) return x->seconds < y->seconds ? 1 : -1;
    return compare(x->index, y->index);
}

static void sort(const moda_profile *p, int (*before)(const void *, const void *), entry *entries,
                 size_t *order)
{
    const size_t n = moda_profile_parts(p);
    for (size_t i = 0; i < n; i++)
        entries[i] =
            (entry){i, moda_profile_part_at(p, i)->place, moda_profile_part_time(p, i).seconds};
    qsort(entries, n, sizeof *entries, before);
    for (size_t i = 0; i < n; i++) order[i] = entries[i].index;
}

void moda_profile_print(const moda_profile *p)
{
    const size_t n = moda_profile_parts(p), steps = moda_profile_steps(p);
    const moda_profile_peaks peaks = moda_profile_limits(p);
    entry *entries = calloc(n + 1, sizeof *entries);
    size_t *order = calloc(n + 1, sizeof *order);
    if (!entries || !order) goto out; /* as a table without memory: nothing is printed */
    printf(
        "\nprofile   %zu steps, after %d of warm-up; limits of this machine: %.1f GFLOP/s (f32), "
        "%.1f GB/s (triad)\n\nthe largest parts\n",
        steps, MODA_PROFILE_WARMUP, peaks.flops * 1e-9, peaks.bandwidth * 1e-9);
    sort(p, largest_first, entries, order);
    print_parts(p, order, n < LARGEST ? n : LARGEST);
    printf("\nby kind\n");
    print_kinds(p);
    printf("\nall parts, in the order of the network\n");
    sort(p, by_place, entries, order);
    print_parts(p, order, n);
    fflush(stdout);
out:
    free(entries);
    free(order);
}
