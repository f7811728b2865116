#include "bench/nightly_judge.h"
#include "bench/nightly_power_internal.h"
#include <math.h>
#include <stdlib.h>

const char *const moda_nightly_verdict_names[] = {"missing", "no base", "same", "regression",
                                                  "improvement"};

static bool has_base(const moda_nightly_result *r)
{
    return r->nights >= r->needed && r->base.n > 0 &&
           (!r->figure.timed || r->base.df >= MODA_NIGHTLY_LEAST_DF);
}

/* So few that not even tonight's being above all of them would be significant are no base: of n + k
 * values the k last ones are the largest in one order of (n + k over k). */
static size_t needed_nights(size_t figures)
{
    const size_t k = MODA_NIGHTLY_CONFIRMATIONS + 1;
    double orders = 1;
    size_t n = 0;
    while (n < MODA_NIGHTLY_ANCHOR &&
           (n <= MODA_NIGHTLY_LEAST_DF || 2 * (double)figures / orders > MODA_NIGHTLY_LEVEL)) {
        n++;
        orders *= (double)(n + k) / (double)n;
    }
    return n;
}

/* Timed figures are judged as logarithms. */
static double level_of(const moda_nightly_result *r, double value)
{
    return r->figure.timed ? log(value) : value;
}

/* ---- step 1 ---- */

/* Figures that do not vary have their era's first run as a base. */
static void take_base(moda_nightly_result *r, size_t figures)
{
    double values[MODA_NIGHTLY_ANCHOR];
    r->nights = moda_nightly_base_values(&r->series, values);
    r->apart = 0;
    for (size_t i = 0; i < r->series.n; i++)
        r->apart += r->series.points[i].apart && r->series.points[i].era + 1 == r->series.eras;
    r->needed = r->figure.timed ? needed_nights(figures) : 1;
    if (r->figure.timed)
        r->base = moda_nightly_base(&r->series);
    else
        r->base = (moda_level){.mean = r->nights ? values[0] : NAN, .n = r->nights > 0};
}

moda_status moda_nightly_screen(moda_nightly_result *r, size_t figures)
{
    moda_status st = MODA_OK;
    const double least = log(1 + MODA_NIGHTLY_EFFECT);
    if (isfinite(r->value)) MODA_TRY(moda_nightly_series_settle(&r->series, r->handover));
    take_base(r, figures);
    r->suspicious = false;
    r->change = r->low = r->high = r->p = r->detectable = NAN;
    for (int i = 0; i < 2; i++) r->p_worse[i] = r->p_better[i] = 1;
    if (!r->figure.timed || !has_base(r)) goto out;
    r->detectable = moda_nightly_detectable(&r->base, &r->series, figures);
    if (!isfinite(r->value)) goto out;
    const double off = level_of(r, r->value) - r->base.mean;
    const double t = moda_level_t(&r->base, level_of(r, r->value), 1);
    r->suspicious =
        fabs(off) > least / 2 && moda_student_upper(fabs(t), r->base.df) < MODA_NIGHTLY_SUSPICION;
out:
    return st;
}

/* ---- steps 2 and 3 ---- */

static double confirmed_mean(const moda_nightly_result *r)
{
    double sum = 0;
    for (size_t i = 0; i < r->confirmation_count; i++) sum += level_of(r, r->confirmations[i]);
    return sum / (double)r->confirmation_count;
}

/* Of all measurements of tonight against the nights of the base. Values that are alike count for
 * neither. */
static void test_ranks(const moda_nightly_result *r, double *worse, double *better)
{
    double base[MODA_NIGHTLY_ANCHOR], now[MODA_NIGHTLY_CONFIRMATIONS + 1];
    const size_t n = moda_nightly_base_values(&r->series, base), k = r->confirmation_count + 1;
    size_t above = 0, below = 0;
    now[0] = level_of(r, r->value);
    for (size_t i = 1; i < k; i++) now[i] = level_of(r, r->confirmations[i - 1]);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < k; j++) above += now[j] > base[i], below += now[j] < base[i];
    *worse = moda_rank_upper(n, k, above), *better = moda_rank_upper(n, k, below);
}

static void test_confirmations(moda_nightly_result *r)
{
    double rank_worse, rank_better;
    const double least = log(1 + MODA_NIGHTLY_EFFECT);
    bool worse = true, better = true;
    for (size_t i = 0; i < r->confirmation_count; i++) {
        const double off = level_of(r, r->confirmations[i]) - r->base.mean;
        worse = worse && off > least, better = better && off < -least;
    }
    if (r->confirmation_count < MODA_NIGHTLY_CONFIRMATIONS) return;
    const double t = moda_level_t(&r->base, confirmed_mean(r), r->confirmation_count);
    test_ranks(r, &rank_worse, &rank_better);
    if (worse) r->p_worse[0] = fmax(rank_worse, moda_student_upper(t, r->base.df));
    if (better) r->p_better[0] = fmax(rank_better, moda_student_upper(-t, r->base.df));
}

/* The era's runs and tonight, and where they part. */
typedef struct era {
    size_t *index; /* [n - 1], of the series' points */
    double *x;     /* [n] */
    size_t n, split;
    double before, after; /* means */
} era;

static double mean(const double *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += x[i];
    return sum / (double)n;
}

static moda_status open_era(const moda_nightly_result *r, era *e)
{
    moda_status st = MODA_OK;
    *e = (era){0};
    MODA_ALLOC(e->index, r->series.n * sizeof *e->index);
    MODA_ALLOC(e->x, (r->series.n + 1) * sizeof *e->x);
    e->n = moda_nightly_era(&r->series, e->index);
    for (size_t i = 0; i < e->n; i++) e->x[i] = r->series.points[e->index[i]].value;
    e->x[e->n++] = r->confirmation_count ? confirmed_mean(r) : level_of(r, r->value);
    if (e->n < 2) goto out;
    e->split = moda_change_point(e->x, e->n);
    e->before = mean(e->x, e->split), e->after = mean(e->x + e->split, e->n - e->split);
out:
    return st;
}

static void close_era(era *e)
{
    free(e->index);
    free(e->x);
}

static void test_era(moda_nightly_result *r, era *e)
{
    const double least = log(1 + MODA_NIGHTLY_EFFECT);
    if (e->n < 2) return;
    if (e->after - e->before > least) r->p_worse[1] = moda_pettitt_rise(e->x, e->n);
    if (e->before - e->after > least) {
        for (size_t i = 0; i < e->n; i++) e->x[i] = -e->x[i];
        r->p_better[1] = moda_pettitt_rise(e->x, e->n);
        for (size_t i = 0; i < e->n; i++) e->x[i] = -e->x[i];
    }
}

/* ---- what comes out ---- */

/* good: the last point of the old level. The next one of this state, of whatever kind but no
 * outlier, is the first of the new one. */
static void name_runs(moda_nightly_result *r, size_t good)
{
    const moda_nightly_series *s = &r->series;
    size_t i = good + 1;
    while (i < s->n && (s->points[i].outlier || s->points[i].apart)) i++;
    r->last_good = s->points[good].run;
    r->first_bad = i < s->n ? s->points[i].run : NULL;
}

static void set_change(moda_nightly_result *r, const moda_level *from, double to, size_t count)
{
    const double margin = moda_level_margin(from, count, MODA_NIGHTLY_CONFIDENCE);
    r->change = expm1(to - from->mean);
    r->low = expm1(to - from->mean - margin), r->high = expm1(to - from->mean + margin);
}

static void conclude_timed(moda_nightly_result *r, const double *worse, const double *better,
                           const era *e)
{
    const bool is_worse = fmin(worse[0], worse[1]) <= MODA_NIGHTLY_LEVEL;
    const bool is_better = !is_worse && fmin(better[0], better[1]) <= MODA_NIGHTLY_LEVEL;
    const double *p = is_worse ? worse : better;
    r->verdict = MODA_NIGHTLY_SAME;
    set_change(r, &r->base, e->x[e->n - 1], r->confirmation_count ? r->confirmation_count : 1);
    if (!is_worse && !is_better) return;
    r->verdict = is_worse ? MODA_NIGHTLY_REGRESSION : MODA_NIGHTLY_IMPROVEMENT;
    r->p = fmin(p[0], p[1]), r->gradual = p[0] > MODA_NIGHTLY_LEVEL;
    if (r->gradual) {
        moda_level before = r->base;
        before.mean = e->before, before.n = e->split;
        set_change(r, &before, e->after, e->n - e->split);
    }
    name_runs(r, e->index[e->split - 1]);
}

static moda_status judge_timed(moda_nightly_result *results, size_t count)
{
    moda_status st = MODA_OK;
    double *p = NULL, *adjusted;
    size_t *order = NULL, n = 0;
    era *eras = NULL;
    MODA_ALLOC(p, 8 * (count + 1) * sizeof *p); /* worse, better, and both adjusted */
    MODA_ALLOC(order, 2 * (count + 1) * sizeof *order);
    MODA_ALLOC(eras, count * sizeof *eras);
    adjusted = p + 4 * count;
    for (size_t i = 0; i < count; i++) {
        moda_nightly_result *r = &results[i];
        if (!r->figure.timed || !has_base(r) || !isfinite(r->value)) continue;
        MODA_TRY(open_era(r, &eras[i]));
        test_confirmations(r);
        test_era(r, &eras[i]);
        for (int k = 0; k < 2; k++)
            p[2 * n + k] = r->p_worse[k], p[2 * count + 2 * n + k] = r->p_better[k];
        n++;
    }
    moda_holm(p, 2 * n, adjusted, order);
    moda_holm(p + 2 * count, 2 * n, adjusted + 2 * count, order);
    for (size_t i = 0, k = 0; i < count; i++) {
        if (!eras[i].x) continue;
        conclude_timed(&results[i], adjusted + 2 * k, adjusted + 2 * count + 2 * k, &eras[i]);
        k++;
    }
out:
    for (size_t i = 0; eras && i < count; i++) close_era(&eras[i]);
    free(eras);
    free(order);
    free(p);
    return st;
}

static void judge_exact(moda_nightly_result *r)
{
    const moda_nightly_figure *f = &r->figure;
    const double off = r->value - r->base.mean, worse = f->higher ? -off : off;
    const double limit = f->tolerance * (f->relative ? fabs(r->base.mean) : 1);
    size_t good = 0;
    r->change = f->relative || !(f->tolerance > 0) ? off / fabs(r->base.mean) : off;
    if (off == 0) r->change = 0;
    r->verdict = worse > limit    ? MODA_NIGHTLY_REGRESSION
                 : -worse > limit ? MODA_NIGHTLY_IMPROVEMENT
                                  : MODA_NIGHTLY_SAME;
    if (r->verdict == MODA_NIGHTLY_SAME) return;
    for (size_t i = 0; i < r->series.n; i++)
        if (!r->series.points[i].called) good = i;
    name_runs(r, good);
}

moda_status moda_nightly_judge(moda_nightly_result *results, size_t count)
{
    moda_status st = MODA_OK;
    for (size_t i = 0; i < count; i++) {
        moda_nightly_result *r = &results[i];
        r->verdict = !isfinite(r->value) ? MODA_NIGHTLY_MISSING : MODA_NIGHTLY_NO_BASE;
        if (isfinite(r->value) && has_base(r) && !r->figure.timed) judge_exact(r);
    }
    MODA_TRY(judge_timed(results, count));
out:
    return st;
}

void moda_nightly_result_free(moda_nightly_result *r)
{
    if (!r) return;
    moda_nightly_series_free(&r->series);
    moda_timings_free(&r->turns);
    *r = (moda_nightly_result){0};
}
