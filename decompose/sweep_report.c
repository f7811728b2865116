/* decompose/sweep_report.c - the rows of a sweep as a table, as CSV and as JSON. */
#include "base/file.h"
#include "base/table.h"
#include "decompose/sweep.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static bool any_trained(const moda_sweep_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (rows[i].trained) return true;
    return false;
}

static bool any_standard(const moda_sweep_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!isnan(rows[i].reuse.standard)) return true;
    return false;
}

void moda_sweep_print(const moda_sweep_row *rows, size_t count)
{
    const bool trained = any_trained(rows, count), standard = any_standard(rows, count);
    moda_table *table = trained ? moda_table_create(">alpha|>beta|>gamma|>accuracy|>tau")
                                : moda_table_create(">tau");
    const char *const figures[] = {"size", "overlap", "FLOPs", "sub-tasks", "composed", "modular"};
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++)
        moda_table_column(table, true, "%s", figures[i]);
    if (standard) moda_table_column(table, true, "standard");
    for (size_t i = 0; i < count; i++) {
        const moda_sweep_row *r = &rows[i];
        if (trained)
            moda_table_row(table, "%g|%g|%g|%.4f|%g", r->alpha, r->beta, r->gamma, r->accuracy,
                           r->tau);
        else
            moda_table_row(table, "%g", r->tau);
        moda_table_cell(table, "%.4f", r->size);
        moda_table_cell(table, "%.4f", r->overlap);
        moda_table_cell(table, "%.4f", r->flops);
        moda_table_cell(table, "%zu", r->reuse.tasks);
        moda_table_cell(table, "%.4f", r->reuse.composed);
        moda_table_cell(table, "%.4f", r->reuse.modular);
        if (standard) moda_table_cell(table, "%.4f", r->reuse.standard);
    }
    moda_table_print(table);
    moda_table_destroy(table);
}

/* A number, or nothing where it is not known; with a comma before it. */
static void put(FILE *f, double x)
{
    if (isnan(x))
        fputc(',', f);
    else
        fprintf(f, ",%.6f", x);
}

static void write_row(FILE *f, const moda_sweep_row *r)
{
    if (r->trained)
        fprintf(f, "%.15g,%.15g,%.15g,%.6f,%.15g", r->alpha, r->beta, r->gamma, r->accuracy,
                r->tau);
    else
        fprintf(f, ",,,,%.15g", r->tau);
    put(f, r->size);
    put(f, r->overlap);
    put(f, r->flops);
    fprintf(f, ",%zu", r->reuse.tasks);
    put(f, r->reuse.composed);
    put(f, r->reuse.modular);
    put(f, r->reuse.standard);
    put(f, r->reuse_by_task.composed);
    put(f, r->reuse.size);
    put(f, r->reuse.flops);
    fputc('\n', f);
}

moda_status moda_sweep_write_csv(const char *path, const moda_sweep_row *rows, size_t count)
{
    moda_status st = MODA_OK;
    moda_writer w = {0};
    MODA_TRY(moda_writer_open(&w, path));
    fprintf(w.stream, "alpha,beta,gamma,accuracy,tau,size,overlap,flops,tasks,composed,modular,"
                      "standard,composed_over_tasks,composed_size,composed_flops\n");
    for (size_t i = 0; i < count; i++) write_row(w.stream, &rows[i]);
    MODA_TRY(moda_writer_commit(&w));
out:
    moda_writer_abort(&w);
    return st;
}

static json_t *row_json(const moda_sweep_row *r)
{
    json_t *object = json_object();
    int bad = 0;
    const struct {
        const char *key;
        double value;
        bool wanted;
    } figures[] = {{"alpha", r->alpha, r->trained},
                   {"beta", r->beta, r->trained},
                   {"gamma", r->gamma, r->trained},
                   {"accuracy", r->accuracy, r->trained},
                   {"tau", r->tau, true},
                   {"mean_size", r->size, true},
                   {"mean_overlap", r->overlap, true},
                   {"mean_flops", r->flops, true},
                   {"composed", r->reuse.composed, true},
                   {"modular", r->reuse.modular, true},
                   {"standard", r->reuse.standard, true},
                   {"composed_over_tasks", r->reuse_by_task.composed, true},
                   {"composed_size", r->reuse.size, true},
                   {"composed_flops", r->reuse.flops, true}};
    for (size_t i = 0; i < sizeof figures / sizeof figures[0]; i++)
        if (figures[i].wanted)
            bad |= json_object_set_new(object, figures[i].key, moda_json_number(figures[i].value));
    bad |= json_object_set_new(object, "tasks", json_integer((json_int_t)r->reuse.tasks));
    if (bad) json_decref(object);
    return bad ? NULL : object;
}

moda_status moda_sweep_json(const moda_sweep_row *rows, size_t count, json_t **json)
{
    moda_status st = MODA_OK;
    json_t *array = json_array();
    int bad = 0;
    for (size_t i = 0; i < count; i++) bad |= json_array_append_new(array, row_json(&rows[i]));
    MODA_CHECK(!bad, MODA_ERR_NOMEM, "out of memory: the rows of a sweep");
    *json = json_incref(array);
out:
    json_decref(array);
    return st;
}
