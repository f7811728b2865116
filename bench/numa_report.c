/* bench/numa_report.c - the figures of moda bench numa as table, JSON and CSV. */
#include "base/table.h"
#include "bench/numa.h"
#include <math.h>
#include <stdio.h>

static moda_figures figures_of(const moda_numa_bench *b, const moda_numa_subject *s)
{
    return moda_figures_of(&b->limits, s->work, s->time.median);
}

static void tables(const void *bench)
{
    const moda_numa_bench *b = bench;
    char bytes[16];
    moda_table *t = moda_table_create("policy|>steps|>against off|>from far|>bytes");
    moda_figures_columns(t);
    moda_table_column(t, false, "what it does");
    printf("%s, batch %zu, method %s, %zu thread%s on %zu node%s\n", b->model, b->batch, b->method,
           b->threads, b->threads == 1 ? "" : "s", b->nodes, b->nodes == 1 ? "" : "s");
    for (size_t i = 0; i < b->count; i++) {
        const moda_numa_subject *s = &b->subjects[i];
        const double far = moda_numa_far_share(b, s);
        moda_table_row(t, "%s|%zu|%.3f", s->policy->name, s->time.n, moda_numa_against_off(b, s));
        moda_table_cell(t, isnan(far) ? "-" : "%.1f %%", 100 * far);
        moda_table_cell(t, "%s", moda_human_bytes(s->work.bytes, bytes));
        moda_figures_cells(t, &s->time, s->work, figures_of(b, s));
        moda_table_cell(t, "%s", s->policy->what);
    }
    moda_table_print(t);
    moda_table_destroy(t);
    if (*b->why)
        printf("from far: not counted, %s\n", b->why);
    else
        printf("from far: share of %s that went to another node\n", moda_remote_events());
    if (b->nodes == 1) puts("one node: only binding can make a difference");
}

static json_t *head(const void *bench)
{
    const moda_numa_bench *b = bench;
    return json_pack("{s:s s:I s:I s:o s:I s:s s:o}", "benchmark", "numa", "threads",
                     (json_int_t)b->threads, "nodes", (json_int_t)b->nodes, "model",
                     moda_json_text(b->model), "batch_size", (json_int_t)b->batch, "method",
                     b->method, "events",
                     *b->why ? json_null() : json_string(moda_remote_events()));
}

static json_t *subject_json(const void *bench, size_t i)
{
    const moda_numa_bench *b = bench;
    const moda_numa_subject *s = &b->subjects[i];
    const bool counted = !*b->why;
    json_t *json = json_pack("{s:s s:s s:s s:o s:o s:o s:o}", "policy", s->policy->name, "bind",
                             s->policy->bind, "placement", s->placement, "against_off",
                             moda_json_number(moda_numa_against_off(b, s)), "near_fetches",
                             moda_json_number(counted ? s->counts.near : NAN), "far_fetches",
                             moda_json_number(counted ? s->counts.far : NAN), "far_share",
                             moda_json_number(moda_numa_far_share(b, s)));
    if (json && moda_figures_json(&s->time, s->work, figures_of(b, s), json) != MODA_OK)
        json_decref(json), json = NULL;
    return json;
}

static void csv_heads(const void *bench, FILE *to)
{
    (void)bench;
    fputs("policy,bind,placement,against_off,far_share", to);
    moda_figures_csv_heads(to);
}

static void csv_row(const void *bench, size_t i, FILE *to)
{
    const moda_numa_bench *b = bench;
    const moda_numa_subject *s = &b->subjects[i];
    const double far = moda_numa_far_share(b, s);
    fprintf(to, "%s,%s,%s,%.6g,", s->policy->name, s->policy->bind, s->placement,
            moda_numa_against_off(b, s));
    if (!isnan(far)) fprintf(to, "%.6g", far);
    moda_figures_csv(to, &s->time, s->work, figures_of(b, s));
    fputc('\n', to);
}

moda_results moda_numa_bench_results(const moda_numa_bench *b)
{
    return (moda_results){b,          &b->session, &b->limits,   tables,    head,
                          "policies", b->count,    subject_json, csv_heads, csv_row};
}
