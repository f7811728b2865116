/* bench/numa_report.c - the figures of moda bench numa as a table and as JSON. */
#include "base/table.h"
#include "bench/numa.h"
#include "numa/cpu.h"
#include <math.h>
#include <stdio.h>

static const char *method(const moda_numa_bench *b)
{
    return b->modular ? "moda" : "standard";
}

void moda_numa_bench_print(const moda_numa_bench *b)
{
    char cpu[128];
    moda_table *t =
        moda_table_create("policy|>ms/step|>quartiles|>against off|>from far|what it does");
    printf("%s, %zu threads, %zu node%s; %s, batch %zu, method %s, %zu steps each\n",
           moda_cpu_name(cpu, sizeof cpu), b->threads, b->nodes, b->nodes == 1 ? "" : "s", b->model,
           b->batch, method(b), b->rounds * b->steps);
    for (size_t i = 0; i < b->count; i++) {
        const moda_numa_subject *s = &b->subjects[i];
        const double far = moda_numa_far_share(b, s);
        moda_table_row(t, "%s|%.3f|%.3f - %.3f|%.3f", s->policy->name, 1e3 * s->time.median,
                       1e3 * s->time.low, 1e3 * s->time.high, moda_numa_against_off(b, s));
        moda_table_cell(t, isnan(far) ? "-" : "%.1f %%", 100 * far);
        moda_table_cell(t, "%s", s->policy->what);
    }
    moda_table_print(t);
    moda_table_destroy(t);
    if (b->counted)
        printf("from far: share of %s that went to another node\n", moda_remote_events());
    else
        printf("from far: not counted, %s\n", b->why);
    if (b->nodes == 1) puts("one node: only binding can make a difference");
}

static json_t *subject_json(const moda_numa_bench *b, const moda_numa_subject *s)
{
    return json_pack("{s:s s:s s:s s:I s:o s:o s:o s:o s:o s:o s:o s:o}", "policy", s->policy->name,
                     "bind", s->policy->bind, "placement", s->placement, "steps",
                     (json_int_t)s->time.n, "median_seconds", moda_json_number(s->time.median),
                     "low_seconds", moda_json_number(s->time.low), "high_seconds",
                     moda_json_number(s->time.high), "best_seconds", moda_json_number(s->time.best),
                     "against_off", moda_json_number(moda_numa_against_off(b, s)), "near_fetches",
                     moda_json_number(b->counted ? s->counts.near : NAN), "far_fetches",
                     moda_json_number(b->counted ? s->counts.far : NAN), "far_share",
                     moda_json_number(moda_numa_far_share(b, s)));
}

moda_status moda_numa_bench_json(const moda_numa_bench *b, json_t **json)
{
    moda_status st = MODA_OK;
    char cpu[128];
    json_t *policies = json_array(), *report = NULL;
    for (size_t i = 0; i < b->count; i++)
        MODA_CHECK(json_array_append_new(policies, subject_json(b, &b->subjects[i])) == 0,
                   MODA_ERR_NOMEM, "out of memory");
    report = json_pack(
        "{s:o s:I s:I s:o s:I s:s s:I s:I s:o s:O}", "cpu",
        moda_json_text(moda_cpu_name(cpu, sizeof cpu)), "threads", (json_int_t)b->threads, "nodes",
        (json_int_t)b->nodes, "model", moda_json_text(b->model), "batch_size", (json_int_t)b->batch,
        "method", method(b), "rounds", (json_int_t)b->rounds, "steps_per_turn",
        (json_int_t)b->steps, "events",
        b->counted ? json_string(moda_remote_events()) : json_null(), "policies", policies);
    MODA_CHECK(report, MODA_ERR_NOMEM, "out of memory");
    *json = report;
out:
    json_decref(policies);
    return st;
}
