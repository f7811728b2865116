/* decompose/reuse_report.c - reuse accuracy as a table, as CSV and as JSON. */
#include "base/file.h"
#include "base/table.h"
#include "decompose/reuse.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void write_row(FILE *f, const moda_reuse_options *o, const moda_reuse *r, size_t t)
{
    const moda_reuse_row *row = &r->rows[t];
    const uint32_t *outputs = moda_subtask_outputs(o->subtasks, t);
    const size_t n = moda_subtask_size(o->subtasks, t);
    const double samples = (double)row->samples;
    for (size_t i = 0; i < n; i++)
        fprintf(f, "%s%u", i ? " " : "", o->model->class_ids[outputs[i]]);
    fprintf(f, ",%zu,%zu,%.6f,%.6f,", n, row->samples, (double)row->composed / samples,
            (double)row->modular / samples);
    if (r->has_standard) fprintf(f, "%.6f", (double)row->standard / samples);
    fprintf(f, ",%zu,%.6f,%llu,%.6f\n", row->parameters,
            (double)row->parameters / (double)r->model_parameters, (unsigned long long)row->flops,
            (double)row->flops / (double)r->model_flops);
}

moda_status moda_reuse_write_csv(const char *path, const moda_reuse_options *o, const moda_reuse *r)
{
    moda_status st = MODA_OK;
    moda_writer w = {0};
    MODA_TRY(moda_writer_open(&w, path));
    fprintf(
        w.stream,
        "subtask,classes,samples,composed,modular,standard,parameters,size,multiply_adds,flops\n");
    for (size_t t = 0; t < r->count; t++) write_row(w.stream, o, r, t);
    MODA_TRY(moda_writer_commit(&w));
out:
    moda_writer_abort(&w);
    return st;
}

/* classes 0: left out, as in means over sizes. New reference. */
static json_t *mean_json(const moda_reuse_mean *m)
{
    json_t *object = json_object();
    int bad = m->classes
                  ? json_object_set_new(object, "classes", json_integer((json_int_t)m->classes))
                  : 0;
    bad |= json_object_set_new(object, "tasks", json_integer((json_int_t)m->tasks));
    bad |= json_object_set_new(object, "composed", moda_json_number(m->composed));
    bad |= json_object_set_new(object, "modular", moda_json_number(m->modular));
    bad |= json_object_set_new(object, "standard", moda_json_number(m->standard));
    bad |= json_object_set_new(object, "size", moda_json_number(m->size));
    bad |= json_object_set_new(object, "flops", moda_json_number(m->flops));
    if (bad) json_decref(object);
    return bad ? NULL : object;
}

moda_status moda_reuse_json(const moda_reuse_options *o, const moda_reuse *r, json_t **result)
{
    moda_status st = MODA_OK;
    json_t *report = json_object(), *sizes = json_array();
    json_t *source =
        json_string(o->source); /* NULL: a path can be any bytes, JSON takes only UTF-8 */
    int bad = json_object_set_new(report, "data", source ? source : json_null());
    bad |= json_object_set_new(report, "tau", moda_json_number(o->masks->tau));
    bad |= json_object_set_new(report, "images", json_integer((json_int_t)o->images->n));
    bad |= json_object_set_new(report, "tasks", json_integer((json_int_t)r->count));
    for (size_t i = 0; i < r->size_count; i++)
        bad |= json_array_append_new(sizes, mean_json(&r->sizes[i]));
    bad |= json_object_set(report, "sizes", sizes);
    bad |= json_object_set_new(report, "mean_over_sizes", mean_json(&r->by_size));
    bad |= json_object_set_new(report, "mean_over_tasks", mean_json(&r->by_task));
    bad |= json_object_set_new(
        report, "sharing",
        json_pack("{s:I s:I s:f s:f}", "segments", (json_int_t)r->sharing.segments,
                  "segments_plain", (json_int_t)r->sharing.segments_plain, "multiply_adds",
                  r->sharing.flops, "multiply_adds_plain", r->sharing.flops_plain));
    MODA_CHECK(!bad, MODA_ERR_NOMEM, "out of memory: the report of reuse");
    *result = json_incref(report);
out:
    json_decref(sizes);
    json_decref(report);
    return st;
}

static void print_mean(moda_table *table, const char *name, const moda_reuse_mean *m)
{
    char standard[16] = "";
    if (!isnan(m->standard)) snprintf(standard, sizeof standard, "%.4f", m->standard);
    moda_table_row(table, "%s|%zu|%.4f|%.4f|%s|%.4f|%.4f", name, m->tasks, m->composed, m->modular,
                   standard, m->size, m->flops);
}

void moda_reuse_print(const moda_reuse *r)
{
    char a[32], b[32];
    moda_table *table =
        moda_table_create("classes|>sub-tasks|>composed|>modular|>standard|>size|>FLOPs");
    for (size_t i = 0; i < r->size_count; i++) {
        snprintf(a, sizeof a, "%zu", r->sizes[i].classes);
        print_mean(table, a, &r->sizes[i]);
    }
    print_mean(table, "mean over sizes", &r->by_size);
    print_mean(table, "mean over sub-tasks", &r->by_task);
    moda_table_print(table);
    printf("sharing: %s of %s segments run, %.3g of %.3g multiply-adds\n",
           moda_human_count(r->sharing.segments, a), moda_human_count(r->sharing.segments_plain, b),
           r->sharing.flops, r->sharing.flops_plain);
    moda_table_destroy(table);
}
