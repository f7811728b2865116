/* tests/test_bench_session.c - bench/median.h, timing.h, calibration.h, machine.h, session.h: how well a median
 * is known, when a row is done, and what is told of the machine. */
#include "base/rng.h"
#include "bench/machine.h"
#include "bench/median.h"
#include "bench/session.h"
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

TestSuite(bench_session, .init = one_thread, .timeout = 60);

/* ---- the interval ---- */

/* P(B < k) for n tosses of a coin, from Pascal's triangle, exact in long double up to n = 64. */
static long double fewer_than(size_t n, size_t k)
{
    long double row[66] = {1}, sum = 0;
    for (size_t i = 1; i <= n; i++)
        for (size_t j = i; j > 0; j--) row[j] += row[j - 1];
    for (size_t j = 0; j < k; j++) sum += row[j];
    return sum / powl(2, (long double)n);
}

Test(bench_session, ranks_are_those_of_the_binomial_distribution)
{
    static const double levels[] = {0.5, 0.9, 0.95, 0.999};
    for (size_t l = 0; l < 4; l++)
        for (size_t n = 1; n <= 64; n++) {
            double covered = -1;
            size_t want = 1;
            const size_t k = moda_median_rank(n, levels[l], &covered);
            while (2 * (want + 1) <= n && 1 - 2 * (double)fewer_than(n, want + 1) >= levels[l])
                want++;
            cr_assert(eq(sz, k, want), "n %zu, %g", n, levels[l]);
            cr_assert(epsilon_eq(dbl, covered, 1 - 2 * (double)fewer_than(n, k), 1e-12), "n %zu",
                      n);
        }
}

/* Tables of order statistics: n = 6, 10, 20, 50, 100 at 95 %. */
Test(bench_session, ranks_of_the_tables)
{
    static const size_t n[] = {5, 6, 10, 20, 50, 100}, rank[] = {1, 1, 2, 6, 18, 40};
    for (size_t i = 0; i < 6; i++) {
        double covered;
        cr_assert(eq(sz, moda_median_rank(n[i], 0.95, &covered), rank[i]), "n %zu", n[i]);
        cr_assert(eq(int, covered >= 0.95, n[i] >= 6), "n %zu: %g", n[i], covered);
    }
}

/* n/2 - 1.96*sqrt(n)/2 by the normal approximation. */
/* bench/peers/compare.py tells PyTorch's times by the same rule, in Python's whole numbers. */
Test(bench_session, the_comparison_with_peers_has_the_same_ranks)
{
    static const char call[] =
        "cd '" MODA_TEST_DATA "/../bench/peers' && PYTHONDONTWRITEBYTECODE=1 python3 -c '"
        "import compare\nfor n in range(1, 401): print(compare.median_rank(n, "
        "compare.CONFIDENCE))'";
    if (system("python3 --version >/dev/null 2>&1") != 0) cr_skip("python3 needed");
    FILE *ranks = popen(call, "r");
    cr_assert(ne(ptr, ranks, NULL));
    for (size_t n = 1; n <= 400; n++) {
        double covered;
        size_t rank = 0;
        cr_assert(eq(int, fscanf(ranks, "%zu", &rank), 1), "n %zu", n);
        cr_assert(eq(sz, rank, moda_median_rank(n, MODA_TIMING_CONFIDENCE, &covered)), "n %zu", n);
    }
    cr_assert(eq(int, pclose(ranks), 0));
}

Test(bench_session, ranks_of_many)
{
    for (size_t n = 1000; n <= 100000; n *= 10) {
        double covered;
        const double want = (double)n / 2 - 1.959964 * sqrt((double)n) / 2;
        const size_t k = moda_median_rank(n, 0.95, &covered);
        cr_assert(fabs((double)k - want) < 2, "n %zu: %zu, want about %g", n, k, want);
        cr_assert(covered >= 0.95 && covered < 0.956, "%g", covered);
    }
}

/* Times as a shared machine has them: a floor, a long tail, and now and then another program's turn. */
static double draw(moda_rng rng, uint64_t i, int kind)
{
    const double u = moda_rng_unit(rng, 2 * i), v = moda_rng_unit(rng, 2 * i + 1);
    if (kind == 0) return 1 + u;           /* median 1.5 */
    if (kind == 1) return 1 - log(1 - u);  /* median 1 + log 2 */
    return v < 0.9 ? 1 + u : 50 + 100 * u; /* median: 0.9*u = 0.5 */
}

/* The stated share of intervals holds the true median, for every distribution; the chance itself is known
 * exactly, so it is missed by four standard deviations once in 16,000 times, and the seed is fixed. */
Test(bench_session, intervals_hold_the_median_as_often_as_they_say)
{
    enum { TIMES = 4000 };
    static const size_t sizes[] = {6, 11, 40, 151};
    const double median[] = {1.5, 1 + log(2), 1 + 0.5 / 0.9};
    for (int kind = 0; kind < 3; kind++)
        for (size_t s = 0; s < 4; s++) {
            size_t held = 0;
            moda_timing_summary x = {0};
            for (size_t t = 0; t < TIMES; t++) {
                const moda_rng rng =
                    moda_rng_make(31 * (uint64_t)kind + s, MODA_RNG_TEST, (uint32_t)t);
                moda_timings samples = {0};
                for (size_t i = 0; i < sizes[s]; i++)
                    cr_assert(eq(int, moda_timings_add(&samples, draw(rng, i, kind)), MODA_OK));
                cr_assert(eq(int, moda_timings_summarise(&samples, &x), MODA_OK));
                held += x.low <= median[kind] && median[kind] <= x.high;
                moda_timings_free(&samples);
            }
            const double share = (double)held / TIMES;
            const double deviation = sqrt(x.confidence * (1 - x.confidence) / TIMES);
            cr_assert(x.confidence >= 0.95 && x.confidence < 0.99, "%g", x.confidence);
            cr_assert(fabs(share - x.confidence) < 4 * deviation,
                      "distribution %d, %zu samples: %g held, %g said", kind, sizes[s], share,
                      x.confidence);
        }
}

/* Its JSON holds nulls: no number says how far off it may be. */
Test(bench_session, one_timing_has_no_interval)
{
    moda_timings t = {0};
    moda_timing_summary s;
    char range[MODA_TIMING_RANGE];
    cr_assert(eq(int, moda_timings_add(&t, 2), MODA_OK));
    cr_assert(eq(int, moda_timings_summarise(&t, &s), MODA_OK));
    cr_assert(s.n == 1 && s.median == 2 && s.best == 2);
    cr_assert(isnan(s.low) && isnan(s.high) && isnan(s.confidence));
    cr_assert(isinf(moda_timing_spread(&s)));
    cr_assert(eq(str, (char *)moda_timing_range(s.low, s.high, 2, range), "-"));
    json_t *json = json_object();
    cr_assert(eq(int, moda_timing_json(&s, json), MODA_OK));
    static const char *const none[] = {"low_seconds", "high_seconds", "confidence"};
    for (size_t i = 0; i < 3; i++)
        cr_assert(eq(ptr, json_object_get(json, none[i]), json_null()), "%s", none[i]);
    cr_assert(eq(dbl, json_real_value(json_object_get(json, "median_seconds")), 2));
    json_decref(json);
    cr_assert(eq(int, moda_timings_add(&t, 3), MODA_OK));
    cr_assert(eq(int, moda_timings_summarise(&t, &s), MODA_OK));
    cr_assert(eq(str, (char *)moda_timing_range(s.low, s.high, 2, range), "2.00 - 3.00"));
    moda_timings_free(&t);
}

Test(bench_session, few_timings_are_never_enough)
{
    moda_timings t = {0};
    moda_timing_summary s;
    cr_assert(eq(int, moda_timings_add(&t, 2), MODA_OK));
    for (size_t n = 2; n <= 5; n++) {
        cr_assert(eq(int, moda_timings_add(&t, 2), MODA_OK));
        cr_assert(eq(int, moda_timings_summarise(&t, &s), MODA_OK));
        cr_assert(isinf(moda_timing_spread(&s)), "%zu", n);
        cr_assert(epsilon_eq(dbl, s.confidence, 1 - pow(2, 1 - (double)n), 1e-12));
    }
    cr_assert(eq(int, moda_timings_add(&t, 2), MODA_OK));
    cr_assert(eq(int, moda_timings_summarise(&t, &s), MODA_OK));
    cr_assert(eq(dbl, moda_timing_spread(&s), 0));
    for (int i = 0; i < 6; i++) cr_assert(eq(int, moda_timings_add(&t, 3), MODA_OK));
    cr_assert(eq(int, moda_timings_summarise(&t, &s), MODA_OK));
    cr_assert(s.median == 2.5 && s.low == 2 && s.high == 3 && moda_timing_spread(&s) == 0.2);
    moda_timings_free(&t);
}

/* ---- calibration ---- */

/* Computed by another program, in another language: the kernel is what it was. */
Test(bench_session, the_calibration_kernel_never_changes)
{
    uint64_t *words = malloc(MODA_CALIBRATION_WORDS * sizeof *words);
    cr_assert(ne(ptr, words, NULL));
    for (uint64_t i = 0; i < MODA_CALIBRATION_WORDS; i++) words[i] = i;
    cr_assert(moda_calibration_mix(1, words) == UINT64_C(0x34ec33cb10bb6de6));
    for (uint64_t i = 0; i < MODA_CALIBRATION_WORDS; i++)
        words[i] = i * UINT64_C(0x9e3779b97f4a7c15);
    cr_assert(moda_calibration_mix(7, words) == UINT64_C(0xdb0ee3dd7d1d054c));
    free(words);
}

Test(bench_session, drift_is_the_range_of_the_rounds)
{
    moda_calibration c = {0};
    json_t *json = NULL;
    cr_assert(isnan(moda_calibration_drift(&c)));
    static const double rounds[] = {1.02, 1.0, 1.04, 1.0, 1.02};
    for (size_t i = 0; i < 5; i++)
        cr_assert(eq(int, moda_timings_add(&c.rounds, rounds[i]), MODA_OK));
    cr_assert(epsilon_eq(dbl, moda_calibration_drift(&c), 0.04 / 1.02, 1e-12));
    cr_assert(eq(int, moda_calibration_json(&c, &json), MODA_OK));
    cr_assert(eq(int, json_is_true(json_object_get(json, "comparable")), 1));
    json_decref(json);
    cr_assert(eq(int, moda_timings_add(&c.rounds, 1.2), MODA_OK));
    cr_assert(eq(int, moda_calibration_json(&c, &json), MODA_OK));
    cr_assert(eq(int, json_is_false(json_object_get(json, "comparable")), 1));
    cr_assert(eq(sz, json_array_size(json_object_get(json, "seconds")), 6));
    json_decref(json);
    moda_calibration_free(&c);
    moda_calibration_free(&c);
}

Test(bench_session, calibration_takes_time_on_any_number_of_threads)
{
    moda_calibration c = {0};
    for (int threads = 1; threads <= 3; threads++) {
        omp_set_num_threads(threads);
        cr_assert(eq(int, moda_calibration_take(&c), MODA_OK), "%s", moda_last_error());
        cr_assert(eq(sz, c.rounds.n, (size_t)threads));
        cr_assert(eq(sz, c.bytes, (size_t)threads * MODA_CALIBRATION_WORDS * sizeof(uint64_t)));
        cr_assert(lt(dbl, 0, c.rounds.seconds[threads - 1]));
    }
    moda_calibration_free(&c);
}

/* ---- sessions ---- */

enum { STEADY, NOISY, RARE, ROWS };

typedef struct fake {
    moda_timings timings[ROWS];
    moda_timing_summary time[ROWS];
    size_t measured[ROWS], rounds;
    size_t fail_at; /* round of NOISY that fails; 0: none */
    double seconds;
} fake;

static moda_session_row fake_row(void *user, size_t i)
{
    fake *f = user;
    return (moda_session_row){"row", &f->timings[i], &f->time[i]};
}

/* STEADY is known at once; NOISY never; RARE gives too few timings to be sure. */
static moda_status fake_measure(void *user, size_t i, double seconds)
{
    moda_status st = MODA_OK;
    fake *f = user;
    f->measured[i]++;
    f->seconds = seconds;
    MODA_CHECK(i != NOISY || f->measured[i] != f->fail_at, MODA_ERR_IO, "as planned");
    for (size_t k = 0; k < (i == RARE ? 1 : 20); k++)
        MODA_TRY(moda_timings_add(&f->timings[i], i == NOISY ? 1 + (double)(k % 10) : 1));
out:
    return st;
}

static moda_status fake_round(void *user)
{
    fake *f = user;
    f->rounds++;
    return MODA_OK;
}

static void fake_free(fake *f)
{
    for (size_t i = 0; i < ROWS; i++) moda_timings_free(&f->timings[i]);
}

Test(bench_session, a_row_rests_when_it_is_known_well_enough)
{
    fake f = {0};
    moda_session s = {.seconds = 0.8, .rounds = 8, .spread = 2};
    const moda_session_work work = {"fake", ROWS, &f, fake_row, fake_measure, fake_round};
    cr_assert(eq(int, moda_session_run(&s, &work), MODA_OK), "%s", moda_last_error());
    cr_assert(eq(sz, f.measured[STEADY], 2), "not after one round");
    cr_assert(eq(sz, f.measured[RARE], 6), "six timings are the least");
    cr_assert(eq(sz, f.measured[NOISY], 8));
    cr_assert(f.rounds == 8 && s.calibration.rounds.n == 9 && f.seconds == 0.1);
    cr_assert(f.time[STEADY].n == 40 && f.time[NOISY].n == 160 && f.time[RARE].n == 6);
    moda_session_free(&s);
    fake_free(&f);
}

Test(bench_session, a_session_ends_with_its_last_row)
{
    fake f = {0};
    moda_session s = {.seconds = 1, .rounds = 50, .spread = 1};
    const moda_session_work work = {"fake", 1, &f, fake_row, fake_measure, NULL};
    cr_assert(eq(int, moda_session_run(&s, &work), MODA_OK));
    cr_assert(f.measured[STEADY] == 2 && s.calibration.rounds.n == 3);
    moda_session_free(&s);
    fake_free(&f);
}

Test(bench_session, failures_come_through)
{
    fake f = {.fail_at = 3};
    moda_session s = {.seconds = 0.1, .rounds = 8, .spread = 2};
    const moda_session_work work = {"fake", ROWS, &f, fake_row, fake_measure, NULL};
    cr_assert(eq(int, moda_session_run(&s, &work), MODA_ERR_IO));
    cr_assert(eq(str, (char *)moda_last_error(), "as planned"));
    cr_assert(eq(sz, f.measured[NOISY], 3));
    moda_session_free(&s);
    fake_free(&f);
}

/* ---- the machine ---- */

/* Kilobytes of a line of /proc/meminfo. */
static double system_memory(void)
{
    char line[128];
    double kilobytes = 0;
    FILE *f = fopen("/proc/meminfo", "r");
    while (f && fgets(line, sizeof line, f) && sscanf(line, "MemTotal: %lf", &kilobytes) != 1) {}
    if (f) fclose(f);
    return kilobytes;
}

Test(bench_session, the_machine_is_described)
{
    moda_machine m;
    char line[640];
    json_t *json = NULL;
    omp_set_num_threads(2);
    moda_machine_describe(&m);
    cr_assert(eq(sz, m.threads, 2));
    cr_assert(m.cores >= 1 && m.units >= m.cores && m.nodes >= 1);
    cr_assert(epsilon_eq(dbl, (double)m.memory / 1024, system_memory(), system_memory() * 1e-3));
    cr_assert(m.cpu[0] && m.kernels[0] && m.library[0] && m.compiler[0] && m.configuration[0] &&
              m.version[0]);
    cr_assert(eq(int, moda_machine_json(&m, &json), MODA_OK), "%s", moda_last_error());
    cr_assert(eq(str, (char *)json_string_value(json_object_get(json, "cpu")), m.cpu));
    cr_assert(eq(sz, json_object_size(json), 15));
    moda_machine_line(&m, line, sizeof line);
    cr_assert(strstr(line, m.cpu) && strstr(line, "2 threads") && strstr(line, m.library) &&
                  !strchr(line, '\n'),
              "%s", line);
    json_decref(json);
}
