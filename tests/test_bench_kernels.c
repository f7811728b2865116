/* tests/test_bench_kernels.c - moda bench similarity, frequency, optimizer, peak, stream: what a call is
 * said to do, what must hold between its figures, and that tables, JSON and CSV tell the same. Times
 * themselves are the machine's. */
#include "bench/kernels.h"
#include "tests/capture.h"
#include "tests/program.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One thread: on a busy machine the others are waited for, over and over. */
static void one_thread(void)
{
    omp_set_num_threads(1);
}

TestSuite(bench_kernels, .init = one_thread, .fini = test_folder_remove, .timeout = 120);

static const moda_kernel_suite *const suites[] = {&moda_similarity_suite, &moda_frequency_suite,
                                                  &moda_optimizer_suite};

/* ---- repeating a call ---- */

typedef struct counters {
    int calls, befores, fail_at;
} counters;

static moda_status counted_call(void *state)
{
    moda_status st = MODA_OK;
    counters *c = state;
    MODA_CHECK(++c->calls != c->fail_at, MODA_ERR_IO, "call %d", c->calls);
out:
    return st;
}

static void counted_before(void *state)
{
    counters *c = state;
    c->befores++;
}

Test(bench_kernels, calls_are_repeated_and_timed)
{
    counters c = {0, 0, 0};
    moda_timings t = {0};
    const moda_timed timed = {counted_call, counted_before, &c};
    cr_assert(eq(int, moda_timings_repeat(timed, 0, 7, &t), MODA_OK));
    cr_assert(c.calls == 7 && c.befores == 7 && t.n == 7, "%d %d %zu", c.calls, c.befores, t.n);
    cr_assert(eq(int, moda_timings_repeat(timed, 0, 2, NULL), MODA_OK));
    cr_assert(c.calls == 9 && t.n == 7, "a warm-up leaves no timing");
    c.fail_at = 11;
    cr_assert(eq(int, moda_timings_repeat(timed, 0, 5, &t), MODA_ERR_IO));
    cr_assert(c.calls == 11 && t.n == 8, "%d %zu", c.calls, t.n);
    moda_timings_free(&t);
}

/* ---- what a call does ---- */

static moda_kernel_work work_of(const moda_kernel_suite *suite, const char *name,
                                const size_t *sizes)
{
    for (size_t k = 0; k < suite->kernel_count; k++)
        if (strcmp(suite->kernels[k].name, name) == 0) return suite->kernels[k].work(sizes);
    cr_assert(false, "no kernel is called '%s'", name);
    return (moda_kernel_work){0, 0, 0, 0};
}

/* Counted by hand. */
Test(bench_kernels, operations_and_bytes_of_a_call)
{
    const size_t similarity[] = {6, 5, 3}, maps[] = {2, 20, 9, 16}, parameters[] = {1000};
    const moda_kernel_work values = work_of(&moda_similarity_suite, "closed form", similarity);
    const moda_kernel_work gradient =
        work_of(&moda_similarity_suite, "closed form + gradient", similarity);
    const moda_kernel_work pairs = work_of(&moda_similarity_suite, "pairwise", similarity);
    cr_assert(eq(dbl, values.flops, 5 * 30 + 3 * 15));
    cr_assert(eq(dbl, gradient.flops, 13 * 30 + 8 * 15));
    cr_assert(eq(dbl, pairs.flops, 15 * 5 * 2), "15 pairs, five multiply-adds each");
    cr_assert(values.bytes == 120 && gradient.bytes == 240 && pairs.bytes == 120);
    cr_assert(eq(dbl, values.scratch, 4 * 3 * 64 + 32 * 6 + 12 * 3));
    const moda_kernel_work any = work_of(&moda_frequency_suite, "any value; dead maps", maps);
    cr_assert(eq(dbl, any.bytes, 4 * 2 * 32 * 9 + 2 * 20), "two blocks of 16 for 20 channels");
    const moda_kernel_work sgd = work_of(&moda_optimizer_suite, "sgd with momentum", parameters);
    cr_assert(sgd.bytes == 20000 && sgd.operands == 12000 && sgd.scratch == 0);
}

Test(bench_kernels, the_bound_is_what_takes_longer)
{
    const moda_limits limits = {.flops = 100, .flops_bf16 = 300, .bandwidth = 10};
    moda_workload work = {.flops = 300, .bytes = 20};
    moda_figures f = moda_figures_of(&limits, work, 6);
    cr_assert(f.bound == 3 && f.compute && f.share == 0.5 && f.flops == 50, "%g", f.bound);
    work.bf16 = true;
    f = moda_figures_of(&limits, work, 6);
    cr_assert(f.bound == 2 && !f.compute, "%g", f.bound);
    work = (moda_workload){.flops = 300, .bytes = 50};
    f = moda_figures_of(&limits, work, 10);
    cr_assert(f.bound == 5 && !f.compute && f.bytes == 5, "%g", f.bound);
}

/* ---- measuring ---- */

/* Odd sizes, cold and warm, every kernel of every suite. */
Test(bench_kernels, every_kernel_runs_at_odd_sizes)
{
    static const size_t sizes[][MODA_KERNEL_SIZES] = {{1, 1, 1},     {13, 67, 3}, {3, 5, 7, 16},
                                                      {2, 33, 1, 1}, {1},         {1001}};
    for (size_t s = 0; s < 3; s++) {
        moda_kernel_bench b = {
            .suite = suites[s], .session = {.seconds = 0.002, .rounds = 1}, .cold = s == 2};
        cr_assert(eq(int, moda_kernel_bench_add(&b, sizes[2 * s]), MODA_OK));
        cr_assert(eq(int, moda_kernel_bench_add(&b, sizes[2 * s + 1]), MODA_OK));
        cr_assert(eq(sz, b.count, 2 * suites[s]->kernel_count));
        cr_assert(eq(int, moda_kernel_bench_run(&b), MODA_OK), "%s", moda_last_error());
        cr_assert(b.limits.flops > 1e6 && b.limits.bandwidth > 1e6);
        for (size_t i = 0; i < b.count; i++) {
            const moda_timing_summary *t = &b.cases[i].time;
            cr_assert(ge(sz, t->n, 3), "%s", b.cases[i].kernel->name);
            cr_assert(t->best > 0 && t->best <= t->low && t->low <= t->median &&
                      t->median <= t->high);
        }
        moda_kernel_bench_free(&b);
        moda_kernel_bench_free(&b);
    }
}

Test(bench_kernels, sizes_are_checked)
{
    static const size_t zero[] = {0, 1, 1}, most[] = {1, 1, (1 << 16) + 1};
    static const size_t memory[] = {1 << 20, 1 << 20, 1};
    moda_kernel_bench b = {.suite = &moda_similarity_suite};
    cr_assert(eq(int, moda_kernel_bench_add(&b, zero), MODA_ERR_ARG));
    cr_assert(ne(ptr, strstr(moda_last_error(), "--batch-size 0"), NULL), "%s", moda_last_error());
    cr_assert(eq(int, moda_kernel_bench_add(&b, most), MODA_ERR_ARG));
    cr_assert(eq(int, moda_kernel_bench_add(&b, memory), MODA_ERR_ARG));
    cr_assert(ne(ptr, strstr(moda_last_error(), "GiB"), NULL), "%s", moda_last_error());
    cr_assert(eq(sz, b.count, 0));
    moda_kernel_bench_free(&b);
}

/* ---- the program ---- */

#define QUICK "--threads 1 --seconds 0.001 --rounds 1 --quiet"

Test(bench_kernels, json_and_csv_tell_the_same)
{
    const char *out =
        program_must("bench similarity --batch-size 8,16 --neurons 64,100 --classes 4 " QUICK
                     " --json k.json --csv k.csv")
            .out;
    cr_assert(strstr(out, "peak") && strstr(out, "pairwise") && strstr(out, "spread"), "%s", out);
    char *csv = test_read(test_path("k.csv")), *rest = NULL, *line = strtok_r(csv, "\n", &rest);
    json_t *json = program_json("k.json");
    const json_t *cases = json_object_get(json, "cases");
    cr_assert(eq(sz, json_array_size(cases), 2 * 2 * 3));
    cr_assert(eq(int, strncmp(line, "kernel,batch,neurons,classes,calls,", 35), 0), "%s", line);
    size_t rows = 0;
    for (; (line = strtok_r(NULL, "\n", &rest)); rows++) {
        const json_t *c = json_array_get(cases, rows), *sizes = json_object_get(c, "sizes");
        char want[128];
        snprintf(want, sizeof want, "%s,%d,%d,4,", json_string_value(json_object_get(c, "kernel")),
                 rows < 6 ? 8 : 16, rows / 3 % 2 ? 100 : 64);
        cr_assert(eq(int, strncmp(line, want, strlen(want)), 0), "%s: %s", want, line);
        cr_assert(eq(int, (int)json_integer_value(json_object_get(sizes, "neurons")),
                     rows / 3 % 2 ? 100 : 64));
        snprintf(want, sizeof want, ",%s,%.6g,", json_string_value(json_object_get(c, "bound")),
                 json_number_value(json_object_get(c, "share_of_bound")));
        cr_assert(ne(ptr, strstr(line, want), NULL), "%s: %s", want, line);
    }
    cr_assert(eq(sz, rows, 12));
    json_decref(json);
    free(csv);
}

Test(bench_kernels, limits_of_the_machine)
{
    static const char *const names[] = {"peak", "stream"};
    for (size_t i = 0; i < 2; i++) {
        program_must("bench %s --threads 1 --seconds 0.01 --rounds 2 --json l.json --csv l.csv",
                     names[i]);
        json_t *json = program_json("l.json");
        char *csv = test_read(test_path("l.csv")), best[64];
        const double most = json_number_value(json_object_get(json, "best"));
        const double high = json_number_value(json_object_get(json, "high"));
        const double median = json_number_value(json_object_get(json, "median"));
        cr_assert(median > 1e6 && median <= high && high <= most, "%g %g %g", median, high, most);
        snprintf(best, sizeof best, ",%.6g\n", most);
        cr_assert(ne(ptr, strstr(csv, best), NULL), "%s: %s", best, csv);
        json_decref(json);
        free(csv);
    }
}

Test(bench_kernels, wrong_calls_say_what_to_do)
{
    program_must_fail(2, "'similarities'", "bench similarities");
    program_must_fail(2, "--batch-size", "bench similarity --batch-size 0");
    program_must_fail(2, "--neurons", "bench similarity --neurons 64,99999999");
    program_must_fail(2, "GiB", "bench similarity --batch-size 1048576 --neurons 1048576");
    program_must_fail(2, "--pixels", "bench frequency --pixels 0");
    program_must_fail(2, "GiB", "bench frequency --batch-size 65536 --pixels 1048576");
    program_must_fail(2, "--parameters", "bench optimizer --parameters 0");
    program_must_fail(2, "GiB", "bench optimizer --parameters 68719476736");
    program_must_fail(2, "--rounds", "bench peak --rounds 0");
    program_must_fail(2, "operand", "bench stream 5");
    program_must("bench frequency --help");
    program_must("bench peak --help");
}
