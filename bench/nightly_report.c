/* bench/nightly_report.c - a night in words and tables. */
#include "base/table.h"
#include "bench/nightly_internal.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* "12.3 %", or the value itself where the figure is a share. */
static char *amount(const moda_nightly_figure *f, double x, char *buffer, size_t size)
{
    if (!isfinite(x))
        snprintf(buffer, size, "-");
    else if (f->timed || f->relative || strcmp(f->unit, "bytes") == 0)
        snprintf(buffer, size, "%+.1f %%", 100 * x);
    else
        snprintf(buffer, size, "%+.4f", x);
    return buffer;
}

static char *value_text(const moda_nightly_result *r, double x, char *buffer, size_t size)
{
    if (!isfinite(x))
        snprintf(buffer, size, "-");
    else if (strcmp(r->figure.unit, "bytes") == 0)
        moda_human_bytes(x, buffer);
    else
        snprintf(buffer, size, "%.4g", x);
    return buffer;
}

double moda_nightly_shown(const moda_nightly_result *r)
{
    return r->confirmation_count && isfinite(r->change) && !r->gradual
               ? exp(r->base.mean) * (1 + r->change)
               : r->value;
}

static const char *date_of(const moda_nightly *n, const json_t *run)
{
    return run ? moda_nightly_text(run, "date") : n->date;
}

char *moda_nightly_sentence(const moda_nightly *n, const moda_nightly_result *r, char *buffer,
                            size_t size)
{
    const moda_nightly_figure *f = &r->figure;
    char change[32], interval[96] = "", surely[64] = "exact";
    const bool worse = r->verdict == MODA_NIGHTLY_REGRESSION;
    const char *good = moda_nightly_commit(n, r->last_good);
    const char *bad = moda_nightly_commit(n, r->first_bad);
    if (f->timed) {
        snprintf(interval, sizeof interval, " (%.0f %% interval %+.1f to %+.1f %%)",
                 100 * MODA_NIGHTLY_CONFIDENCE, 100 * r->low, 100 * r->high);
        snprintf(surely, sizeof surely, "confidence %.*f %%%s", r->p < 1e-4 ? 4 : 2,
                 100 * (1 - r->p), r->gradual ? ", over many nights" : "");
    }
    snprintf(buffer, size, "%s: %s %s%s, %s; %s %s (%s), first %s %s (%s)%s", f->name,
             worse ? "worse," : "better,", amount(f, r->change, change, sizeof change), interval,
             surely, worse ? "last good" : "last before", good, date_of(n, r->last_good),
             worse ? "bad" : "since", bad, date_of(n, r->first_bad),
             strcmp(good, bad) == 0 && *n->machine.commit && !strstr(bad, "dirty")
                 ? "; the commit is the same: look at the machine"
                 : "");
    moda_make_one_line(buffer); /* commits and dates are what a file says */
    return buffer;
}

/* What there is too little of. */
static char *verdict_text(const moda_nightly_result *r, char *buffer, size_t size)
{
    if (r->verdict == MODA_NIGHTLY_MISSING)
        snprintf(buffer, size, "not measured: %s", r->why ? r->why : "no figure");
    else if (r->verdict == MODA_NIGHTLY_NO_BASE && r->apart)
        snprintf(buffer, size, "not enough history: %zu of %zu runs at %.0f ns from core to core",
                 r->nights, r->needed, 1e9 * r->handover);
    else if (r->verdict == MODA_NIGHTLY_NO_BASE)
        snprintf(buffer, size, "not enough history: %zu of %zu run%s", r->nights, r->needed,
                 r->needed == 1 ? "" : "s");
    else if (r->verdict == MODA_NIGHTLY_REGRESSION)
        snprintf(buffer, size, "REGRESSION");
    else if (r->suspicious && r->verdict == MODA_NIGHTLY_SAME)
        snprintf(buffer, size, "%s, measured again %zu of %d times",
                 moda_nightly_verdict_names[r->verdict], r->confirmation_count,
                 MODA_NIGHTLY_CONFIRMATIONS);
    else
        snprintf(buffer, size, "%s", moda_nightly_verdict_names[r->verdict]);
    return buffer;
}

static void print_table(const moda_nightly *n)
{
    moda_table *t =
        moda_table_create("figure|>value|unit|>base|>runs|>change|interval|>shows|verdict");
    for (size_t i = 0; i < n->count; i++) {
        const moda_nightly_result *r = &n->results[i];
        const double base = r->figure.timed ? exp(r->base.mean) : r->base.mean;
        char value[32], before[32], change[32], interval[64] = "", shows[32] = "", verdict[96];
        if (isfinite(r->low))
            snprintf(interval, sizeof interval, "%+.1f to %+.1f %%", 100 * r->low, 100 * r->high);
        if (isfinite(r->detectable))
            snprintf(shows, sizeof shows, "%.0f %%", ceil(100 * r->detectable));
        moda_table_row(t, "%s|%s|%s|%s|%zu|%s|%s|%s|%s", r->figure.name,
                       value_text(r, moda_nightly_shown(r), value, sizeof value), r->figure.unit,
                       value_text(r, base, before, sizeof before), r->nights,
                       amount(&r->figure, r->change, change, sizeof change), interval, shows,
                       verdict_text(r, verdict, sizeof verdict));
    }
    moda_table_print(t);
    moda_table_destroy(t);
}

static void print_called(const moda_nightly *n, moda_nightly_verdict verdict, const char *word)
{
    char line[768];
    for (size_t i = 0; i < n->count; i++)
        if (n->results[i].verdict == verdict)
            printf("%s %s\n", word, moda_nightly_sentence(n, &n->results[i], line, sizeof line));
}

void moda_nightly_print(const moda_nightly *n)
{
    char line[640];
    const size_t regressions = moda_nightly_count(n, MODA_NIGHTLY_REGRESSION);
    printf("%s\n", moda_machine_line(&n->machine, line, sizeof line));
    print_table(n);
    printf("times in runs of the calibration kernel; shows: the change that would be found with a "
           "chance of 80 %% or more\n");
    print_called(n, MODA_NIGHTLY_IMPROVEMENT, "improvement");
    print_called(n, MODA_NIGHTLY_REGRESSION, "regression ");
    printf("%zu figures, %zu as before, %zu better, %zu not judged; %zu regression%s on %s\n",
           n->count, moda_nightly_count(n, MODA_NIGHTLY_SAME),
           moda_nightly_count(n, MODA_NIGHTLY_IMPROVEMENT),
           moda_nightly_count(n, MODA_NIGHTLY_MISSING) +
               moda_nightly_count(n, MODA_NIGHTLY_NO_BASE),
           regressions, regressions == 1 ? "" : "s", n->machine_class);
    if (regressions) printf("`moda nightly --accept NAME,...` makes the present level the base\n");
    printf("%.0f s; history %s\n", n->seconds, n->history);
}
