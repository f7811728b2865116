/* bench/infer_report.c - the figures of moda bench infer as tables, JSON and CSV. */
#include "base/csv.h"
#include "base/table.h"
#include "bench/infer.h"
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- means over the class modules of one folder ---- */

typedef struct module_means {
    size_t count;
    double size, flops, seconds; /* of the modules' medians */
} module_means;

static module_means means_of(const moda_infer *m, size_t reference, size_t round, size_t b)
{
    module_means sum = {0, 0, 0, 0};
    for (size_t i = 0; i < m->count; i++) {
        const moda_infer_subject *s = &m->subjects[i];
        if (s->reference != reference || s->class_count != 1 || s->round != round) continue;
        sum.count++;
        sum.size += moda_infer_size(m, s);
        sum.flops += moda_infer_share_of_flops(m, s);
        sum.seconds += s->summaries[b].median;
    }
    if (sum.count) {
        const double share = 1 / (double)sum.count;
        sum.size *= share, sum.flops *= share, sum.seconds *= share;
    }
    return sum;
}

/* Roundings that occur among a reference's subjects: 1 and at most one other. */
static size_t other_round(const moda_infer *m, size_t reference)
{
    size_t round = 1;
    for (size_t i = 0; i < m->count; i++)
        if (m->subjects[i].reference == reference && m->subjects[i].round > 1)
            round = m->subjects[i].round;
    return round;
}

/* ---- tables ---- */

static moda_figures figures_of(const moda_infer *m, const moda_infer_subject *s, size_t b)
{
    return moda_figures_of(&m->limits, s->works[b], s->summaries[b].median);
}

static double images_per_second(const moda_infer *m, const moda_infer_subject *s, size_t b)
{
    return (double)m->batches.values[b] / s->summaries[b].median;
}

static void print_subject(const moda_infer *m, const moda_infer_subject *s, size_t b, moda_table *t)
{
    char parameters[32], bytes[16];
    moda_table_row(t, "%s|%s|%.4f|%.4f|%.0f|%.2f|%s", s->name,
                   moda_human_count(s->parameters, parameters), moda_infer_size(m, s),
                   moda_infer_share_of_flops(m, s), images_per_second(m, s, b),
                   moda_infer_speedup(m, s, b), moda_human_bytes(s->works[b].bytes, bytes));
    moda_figures_cells(t, &s->summaries[b], s->works[b], figures_of(m, s, b));
}

static void print_means(const moda_infer *m, size_t reference, size_t round, size_t b,
                        moda_table *t)
{
    const module_means mean = means_of(m, reference, round, b);
    char name[64] = "mean of class modules";
    if (!mean.count) return;
    if (round > 1) snprintf(name, sizeof name, "mean, rounded to %zu", round);
    moda_table_row(t, "%s||%.4f|%.4f|%.0f|%.2f||%.4f", name, mean.size, mean.flops,
                   (double)m->batches.values[b] / mean.seconds,
                   m->subjects[reference].summaries[b].median / mean.seconds, 1e3 * mean.seconds);
}

static void tables(const void *infer)
{
    const moda_infer *m = infer;
    for (size_t b = 0; b < m->batches.n; b++) {
        moda_table *t =
            moda_table_create("network|>parameters|>size|>FLOPs|>images/s|>speed-up|>bytes");
        moda_figures_columns(t);
        printf("%sbatch %zu, %d threads, %s\n", b ? "\n" : "", m->batches.values[b],
               omp_get_max_threads(), m->fold ? "batch norms folded" : "batch norms as they are");
        for (size_t i = 0; i < m->count; i++) print_subject(m, &m->subjects[i], b, t);
        for (size_t i = 0; i < m->count; i++) {
            const size_t round = other_round(m, i);
            if (m->subjects[i].reference != i) continue;
            print_means(m, i, 1, b, t);
            if (round > 1) print_means(m, i, round, b, t);
        }
        moda_table_print(t);
        moda_table_destroy(t);
    }
}

/* ---- JSON ---- */

static json_t *timing_json(const moda_infer *m, const moda_infer_subject *s, size_t b)
{
    json_t *json = json_pack("{s:I s:o s:o}", "batch", (json_int_t)m->batches.values[b],
                             "images_per_second", moda_json_number(images_per_second(m, s, b)),
                             "speedup", moda_json_number(moda_infer_speedup(m, s, b)));
    if (json &&
        moda_figures_json(&s->summaries[b], s->works[b], figures_of(m, s, b), json) != MODA_OK)
        json_decref(json), json = NULL;
    return json;
}

/* A path can be any bytes, JSON takes only UTF-8. */
static json_t *text_or_null(const char *text)
{
    json_t *value = json_string(text);
    return value ? value : json_null();
}

static json_t *head(const void *infer)
{
    const moda_infer *m = infer;
    return json_pack("{s:b}", "fold", (int)m->fold);
}

static json_t *subject_json(const void *infer, size_t i)
{
    const moda_infer *m = infer;
    const moda_infer_subject *s = &m->subjects[i];
    json_t *timings = json_array();
    for (size_t b = 0; b < m->batches.n; b++)
        if (json_array_append_new(timings, timing_json(m, s, b)) != 0) {
            json_decref(timings);
            return NULL;
        }
    return json_pack(
        "{s:o s:o s:o s:I s:I s:o s:I s:o s:o}", "source", text_or_null(s->source), "network",
        text_or_null(s->name), "classes", moda_json_sizes(s->classes, s->class_count),
        "round_channels", (json_int_t)s->round, "parameters", (json_int_t)s->parameters, "size",
        moda_json_number(moda_infer_size(m, s)), "multiply_adds", (json_int_t)s->flops, "flops",
        moda_json_number(moda_infer_share_of_flops(m, s)), "timings", timings);
}

/* ---- CSV (RFC 4180) ---- */

static void print_row(FILE *f, const moda_infer *m, const moda_infer_subject *s, size_t b)
{
    moda_csv_text(f, s->source);
    fputc(',', f);
    moda_csv_text(f, s->name);
    fputs(",\"", f);
    for (size_t i = 0; i < s->class_count; i++) fprintf(f, "%s%zu", i ? "," : "", s->classes[i]);
    fprintf(f, "\",%zu,%zu,%zu,%.6g,%llu,%.6g,%.6g,%.6g", s->round, m->batches.values[b],
            s->parameters, moda_infer_size(m, s), (unsigned long long)s->flops,
            moda_infer_share_of_flops(m, s), images_per_second(m, s, b),
            moda_infer_speedup(m, s, b));
    moda_figures_csv(f, &s->summaries[b], s->works[b], figures_of(m, s, b));
    fputc('\n', f);
}

static void csv_heads(const void *infer, FILE *to)
{
    (void)infer;
    fputs("source,network,classes,round_channels,batch,parameters,size,multiply_adds,flops,"
          "images_per_second,speedup",
          to);
    moda_figures_csv_heads_as(to, "pass_flops"); /* flops is a share here */
}

/* A line per batch size. */
static void csv_row(const void *infer, size_t i, FILE *to)
{
    const moda_infer *m = infer;
    for (size_t b = 0; b < m->batches.n; b++) print_row(to, m, &m->subjects[i], b);
}

moda_results moda_infer_results(const moda_infer *m)
{
    return (moda_results){m,          &m->session, &m->limits,   tables,    head,
                          "networks", m->count,    subject_json, csv_heads, csv_row};
}
