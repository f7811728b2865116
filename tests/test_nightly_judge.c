/* tests/test_nightly_judge.c - bench/nightly_judge.h on histories that are made up: how often
 * nights give alarms where nothing has changed, and how surely changes are found. */
#include "base/rng.h"
#include "bench/nightly_judge.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdlib.h>

TestSuite(nightly_judge, .timeout = 300);

enum { FIGURES = 14, LONGEST = 80 };

/* How far single measurements of one build were off their median, as logarithms, on a machine that
 * was busy two to four times over: a scatter of 8 %, skewed. */
static const double recorded[] = {-0.042, -0.032, -0.023, -0.022, -0.02, -0.013, -0.003,
                                  0.003,  0.013,  0.041,  0.061,  0.117, 0.169,  0.195};

typedef double noise(moda_rng rng, uint64_t i);

static double normal(moda_rng rng, uint64_t i)
{
    return 0.01 * moda_rng_normal(rng, i);
}

/* Most nights are good, one in ten is disturbed by up to 30 %, upwards. */
static double disturbed(moda_rng rng, uint64_t i)
{
    const double u = moda_rng_unit(rng, 2 * i + 1);
    return normal(rng, 2 * i) + (u < 0.1 ? 3 * u : 0);
}

static double as_recorded(moda_rng rng, uint64_t i)
{
    const size_t n = sizeof recorded / sizeof *recorded;
    const size_t k = (size_t)(moda_rng_unit(rng, i) * (double)n);
    return recorded[k < n ? k : n - 1];
}

#define NEAR 60e-9
#define FAR  220e-9

typedef struct world {
    noise *noise;
    bool moves;      /* the cores are near or far in turn, and times by a third longer when far */
    double handover; /* tonight */
    moda_rng rng;
    uint64_t drawn;
    moda_nightly_result results[FIGURES];
} world;

static double draw(world *w)
{
    const double off = w->handover == FAR ? log(4.0 / 3) : 0;
    return w->noise(w->rng, w->drawn++) + off;
}

/* What is drawn from now on is of another night. */
static void fall_asleep(world *w)
{
    const bool far = w->moves && moda_rng_unit(w->rng, w->drawn++) < 0.4;
    w->handover = far ? FAR : NEAR * (0.9 + 0.2 * moda_rng_unit(w->rng, w->drawn++));
}

/* Figures with a base of so many nights. */
static void begin(world *w, noise *kind, bool moves, uint64_t seed, size_t nights)
{
    *w = (world){.noise = kind, .moves = moves, .rng = moda_rng_make(seed, MODA_RNG_SYNTHETIC, 0)};
    for (size_t f = 0; f < FIGURES; f++) {
        moda_nightly_result *r = &w->results[f];
        r->figure.timed = true;
        r->series.points = calloc(LONGEST, sizeof *r->series.points);
        r->series.eras = 1;
        for (size_t i = 0; i < nights; i++) {
            fall_asleep(w);
            r->series.points[r->series.n++] =
                (moda_nightly_point){.value = draw(w), .handover = w->handover};
        }
    }
}

static void end(world *w)
{
    for (size_t f = 0; f < FIGURES; f++) moda_nightly_result_free(&w->results[f]);
}

/* One night, figure f slower by shift[f] (logarithms), NULL: none. */
static void night(world *w, const double *shift)
{
    for (size_t f = 0; f < FIGURES; f++) {
        moda_nightly_result *r = &w->results[f];
        const double off = shift ? shift[f] : 0;
        fall_asleep(w);
        r->value = exp(draw(w) + off), r->confirmation_count = 0, r->handover = w->handover;
        cr_assert(eq(int, moda_nightly_screen(r, FIGURES), MODA_OK));
        for (int i = 0; r->suspicious && i < MODA_NIGHTLY_CONFIRMATIONS; i++)
            r->confirmations[r->confirmation_count++] = exp(draw(w) + off);
    }
    cr_assert(eq(int, moda_nightly_judge(w->results, FIGURES), MODA_OK));
}

static size_t called(const world *w, moda_nightly_verdict verdict)
{
    size_t n = 0;
    for (size_t f = 0; f < FIGURES; f++) n += w->results[f].verdict == verdict;
    return n;
}

/* Nights of 1000, each with a history of its own, that call anything. */
static size_t alarms(noise *kind, bool moves, size_t nights)
{
    size_t n = 0;
    for (uint64_t seed = 0; seed < 1000; seed++) {
        world w;
        begin(&w, kind, moves, seed, nights);
        night(&w, NULL);
        n += called(&w, MODA_NIGHTLY_REGRESSION) > 0;
        end(&w);
    }
    return n;
}

/* Nights of 200 that find one figure that is slower by so much. */
static size_t found(noise *kind, bool moves, size_t nights, double by)
{
    size_t n = 0;
    double shift[FIGURES] = {0};
    shift[3] = log(1 + by);
    for (uint64_t seed = 0; seed < 200; seed++) {
        world w;
        begin(&w, kind, moves, 5000 + seed, nights);
        night(&w, shift);
        n += w.results[3].verdict == MODA_NIGHTLY_REGRESSION;
        end(&w);
    }
    return n;
}

static const struct {
    const char *name;
    noise *kind;
    size_t found; /* of 200, at the least */
} scatters[] = {
    {"normal", normal, 190}, {"disturbed", disturbed, 60}, {"as recorded", as_recorded, 4}};
static const size_t lengths[] = {10, 14, 40};

/* The level is 5 in 1000. With a chance of 5e-3 there are 14 or more in a thousand with probability
 * 7e-4. The counts are those of docs/nightly.md: --verbose prints them. */
Test(nightly_judge, unchanged_nights_give_no_more_alarms_than_stated)
{
    for (size_t k = 0; k < sizeof scatters / sizeof *scatters; k++)
        for (size_t i = 0; i < 3; i++) {
            const size_t n = alarms(scatters[k].kind, false, lengths[i]);
            cr_log_info("%s, %zu nights: %zu alarms of 1000", scatters[k].name, lengths[i], n);
            cr_assert(lt(sz, n, 14), "%s, %zu nights: %zu", scatters[k].name, lengths[i], n);
        }
}

Test(nightly_judge, ten_per_cent_are_found_the_first_night)
{
    for (size_t k = 0; k < sizeof scatters / sizeof *scatters; k++)
        for (size_t i = 0; i < 3; i++) {
            const size_t n = found(scatters[k].kind, false, lengths[i], 0.1);
            cr_log_info("%s, %zu nights: 10 %% found by %zu of 200", scatters[k].name, lengths[i],
                        n);
            cr_assert(ge(sz, n, scatters[k].found), "%s, %zu nights: %zu", scatters[k].name,
                      lengths[i], n);
        }
    const size_t small = found(normal, false, 10, 0.05), none = found(normal, false, 10, 0);
    cr_log_info("normal, 10 nights: 5 %% found by %zu of 200", small);
    cr_assert(ge(sz, small, 120), "5 %%: %zu", small);
    cr_assert(le(sz, none, 1), "of 200 without any: %zu", none);
}

/* The column `shows`: a change of that size is found with the chance that it states, or more. */
Test(nightly_judge, what_would_be_found_is_found)
{
    for (size_t k = 0; k < sizeof scatters / sizeof *scatters; k++)
        for (size_t i = 0; i < 3; i++) {
            size_t n = 0;
            for (uint64_t seed = 0; seed < 200; seed++) {
                world w;
                double shift[FIGURES] = {0};
                begin(&w, scatters[k].kind, false, 9000 + seed, lengths[i]);
                moda_nightly_result *r = &w.results[3];
                r->value = NAN;
                cr_assert(eq(int, moda_nightly_screen(r, FIGURES), MODA_OK));
                cr_assert(isfinite(r->detectable));
                shift[3] = log1p(r->detectable);
                night(&w, shift);
                n += r->verdict == MODA_NIGHTLY_REGRESSION;
                end(&w);
            }
            cr_log_info("%s, %zu nights: what it shows found by %zu of 200", scatters[k].name,
                        lengths[i], n);
            cr_assert(ge(sz, n, 150), "%s, %zu nights: %zu", scatters[k].name, lengths[i], n);
        }
}

/* A hypervisor that moves its cores: each night is compared with its like. */
Test(nightly_judge, cores_that_move_give_no_alarms_and_hide_nothing)
{
    const size_t none = alarms(normal, true, 40), a = found(normal, true, 40, 0.1);
    cr_assert(lt(sz, none, 14), "of 1000: %zu", none);
    cr_assert(ge(sz, a, 190), "of 200: %zu", a);
}

Test(nightly_judge, too_few_nights_of_a_state_get_no_verdict)
{
    double shift[FIGURES] = {[1] = 1};
    world w;
    begin(&w, normal, false, 81, 20);
    for (size_t i = 0; i < 11; i++) w.results[1].series.points[i].handover = FAR;
    night(&w, shift);
    cr_assert(eq(int, w.results[1].verdict, MODA_NIGHTLY_NO_BASE));
    cr_assert(eq(sz, w.results[1].nights, 9));
    cr_assert(eq(sz, w.results[1].apart, 11));
    cr_assert(eq(sz, called(&w, MODA_NIGHTLY_NO_BASE), 1));
    end(&w);
}

/* Half a per cent a night: found long before it is ten, by the base that stays where it was. */
Test(nightly_judge, a_slow_drift_is_found)
{
    double shift[FIGURES] = {0};
    size_t nights = 0;
    world w;
    begin(&w, normal, false, 77, 10);
    do {
        shift[5] = 0.005 * (double)++nights;
        night(&w, shift);
        for (size_t f = 0; f < FIGURES; f++)
            w.results[f].series.points[w.results[f].series.n++] = (moda_nightly_point){
                .value = log(w.results[f].value), .handover = w.results[f].handover};
    } while (w.results[5].verdict != MODA_NIGHTLY_REGRESSION && nights < 40);
    cr_assert(lt(sz, nights, 20), "after %zu nights", nights);
    cr_assert(eq(sz, called(&w, MODA_NIGHTLY_REGRESSION), 1));
    end(&w);
}

/* 4 % is too little for a single night; after many it is not, and the place is named. */
Test(nightly_judge, a_small_lasting_step_is_found_and_placed)
{
    double shift[FIGURES] = {0};
    json_t *runs = json_array();
    world w;
    begin(&w, normal, false, 78, 20);
    moda_nightly_result *r = &w.results[2];
    for (size_t i = 0; i < 40; i++) json_array_append_new(runs, json_integer((json_int_t)i));
    for (size_t i = 0; i < 20; i++) r->series.points[i].run = json_array_get(runs, i);
    shift[2] = 0.045;
    for (size_t i = 20; i < 36; i++)
        r->series.points[i] = (moda_nightly_point){
            .value = draw(&w) + shift[2], .handover = w.handover, .run = json_array_get(runs, i)};
    r->series.n = 36;
    night(&w, shift);
    cr_assert(eq(int, r->verdict, MODA_NIGHTLY_REGRESSION));
    cr_assert(lt(dbl, r->p_worse[1], 1e-4));
    const json_int_t good = json_integer_value(r->last_good);
    cr_assert(lt(int, abs((int)good - 19), 3), "last good %d", (int)good);
    end(&w);
    json_decref(runs);
}

Test(nightly_judge, improvements_are_told_and_are_no_regressions)
{
    double shift[FIGURES] = {0};
    world w;
    shift[0] = log(0.85);
    begin(&w, normal, false, 79, 12);
    night(&w, shift);
    cr_assert(eq(int, w.results[0].verdict, MODA_NIGHTLY_IMPROVEMENT));
    cr_assert(lt(dbl, w.results[0].change, -0.1));
    cr_assert(eq(sz, called(&w, MODA_NIGHTLY_REGRESSION), 0));
    end(&w);
}

Test(nightly_judge, too_few_nights_get_no_verdict)
{
    double shift[FIGURES] = {[1] = 1};
    world w;
    begin(&w, normal, false, 80, 9);
    night(&w, shift);
    cr_assert(eq(sz, called(&w, MODA_NIGHTLY_NO_BASE), FIGURES));
    end(&w);
}

/* ---- figures that do not vary ---- */

static moda_nightly_verdict exactly(double before, double now, moda_nightly_figure f)
{
    moda_nightly_point point = {.value = before};
    moda_nightly_result r = {.figure = f, .value = now, .series = {&point, 1, 1}};
    r.figure.unit = "bytes";
    cr_assert(eq(int, moda_nightly_screen(&r, 1), MODA_OK));
    cr_assert(eq(int, moda_nightly_judge(&r, 1), MODA_OK));
    return r.verdict;
}

Test(nightly_judge, exact_figures_are_held_against_their_tolerance)
{
    const moda_nightly_figure bytes = {0}, peak = {.tolerance = 0.03, .relative = true};
    const moda_nightly_figure accuracy = {.tolerance = 0.02, .higher = true};
    cr_assert(eq(int, exactly(1000, 1000, bytes), MODA_NIGHTLY_SAME));
    cr_assert(eq(int, exactly(1000, 1001, bytes), MODA_NIGHTLY_REGRESSION));
    cr_assert(eq(int, exactly(1000, 999, bytes), MODA_NIGHTLY_IMPROVEMENT));
    cr_assert(eq(int, exactly(1000, 1029, peak), MODA_NIGHTLY_SAME));
    cr_assert(eq(int, exactly(1000, 1031, peak), MODA_NIGHTLY_REGRESSION));
    cr_assert(eq(int, exactly(0.9, 0.881, accuracy), MODA_NIGHTLY_SAME));
    cr_assert(eq(int, exactly(0.9, 0.879, accuracy), MODA_NIGHTLY_REGRESSION));
    cr_assert(eq(int, exactly(0.9, 0.921, accuracy), MODA_NIGHTLY_IMPROVEMENT));
}
