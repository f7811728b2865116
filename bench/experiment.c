/* bench/experiment.c - a study from its plan to its table. */
#include "bench/experiment.h"
#include "base/file.h"
#include "base/lock.h"
#include "bench/experiment_internal.h"
#include "bench/experiment_published.h"
#include "bench/machine.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- which there are ---- */

static const moda_study *const studies[] = {&moda_study_accuracy,    &moda_study_compactness,
                                            &moda_study_tau,         &moda_study_weights,
                                            &moda_study_replacement, &moda_study_lookalike};
enum { STUDIES = sizeof studies / sizeof *studies };

const char *const *moda_experiment_list(void)
{
    static const char *list[2 * STUDIES + 1];
    for (size_t i = 0; i < STUDIES; i++)
        list[2 * i] = studies[i]->name, list[2 * i + 1] = studies[i]->title;
    return list;
}

moda_status moda_study_find(const char *name, const moda_study **study)
{
    moda_status st = MODA_OK;
    char known[256] = "";
    for (size_t i = 0; i < STUDIES; i++) {
        if (strcmp(studies[i]->name, name) == 0) {
            *study = studies[i];
            goto out;
        }
        snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s", i ? ", " : "",
                 studies[i]->name);
    }
    MODA_CHECK(false, MODA_ERR_ARG, "there is no study '%s': there are %s", name, known);
out:
    return st;
}

/* ---- its table ---- */

/* The call that makes it, as short as it can be. */
static char *call_line(const moda_study_plan *p)
{
    const moda_experiment_options *o = p->options;
    char epochs[40] = "", sample[40] = "", seed[40] = "";
    if (o->epochs) snprintf(epochs, sizeof epochs, " --epochs %zu", o->epochs);
    if (o->sample) snprintf(sample, sizeof sample, " --sample %zu", o->sample);
    if (o->seed) snprintf(seed, sizeof seed, " --seed %zu", o->seed);
    return moda_format("moda experiment %s%s --data %s%s%s%s%s%s --out DIR", p->study->name,
                       o->full ? " --full" : "", o->data, o->models ? " --model " : "",
                       o->models ? o->models : "", epochs, sample, seed);
}

static moda_status write_markdown(const moda_study_plan *p, const moda_study_table *table,
                                  const char *path)
{
    moda_status st = MODA_OK;
    moda_machine machine;
    char line[640], *above = NULL, *below = NULL, *call = call_line(p),
                    *settings = moda_plan_lengths(p);
    moda_machine_describe(&machine);
    MODA_CHECK(call && settings, MODA_ERR_NOMEM, "out of memory");
    above = moda_format("## %s\n\n    %s\n\n%s. Seed %zu.\n", p->study->title, call, settings,
                        p->options->seed);
    below = moda_format("%s%sPublished: %s, CIFAR-10, 200 epochs, GPU. Here: %s.\n",
                        p->study->note ? p->study->note : "", p->study->note ? "\n\n" : "",
                        MODA_PUBLISHED_SOURCE, moda_machine_line(&machine, line, sizeof line));
    MODA_CHECK(above && below, MODA_ERR_NOMEM, "out of memory");
    MODA_TRY(moda_study_write_markdown(table, above, below, path));
out:
    free(above);
    free(below);
    free(call);
    free(settings);
    return st;
}

static moda_status write_json(const moda_study_plan *p, const moda_study_table *table,
                              const char *path)
{
    moda_status st = MODA_OK;
    json_t *file = json_pack("{s:s s:o s:s s:o s:O}", "title", p->study->title, "settings",
                             moda_plan_settings(p), "published", MODA_PUBLISHED_SOURCE, "columns",
                             moda_study_columns_json(table), "rows", table->rows);
    MODA_CHECK(file, MODA_ERR_NOMEM, "out of memory: the rows of a study");
    MODA_TRY(moda_json_write(path, file));
out:
    json_decref(file);
    return st;
}

static moda_status write_table(const moda_study_plan *p, const moda_study_table *table)
{
    moda_status st = MODA_OK;
    const char *directory = p->options->directory, *name = p->study->name;
    char *csv = moda_format("%s/%s.csv", directory, name);
    char *json = moda_format("%s/%s.json", directory, name);
    char *markdown = moda_format("%s/%s.md", directory, name);
    MODA_CHECK(csv && json && markdown, MODA_ERR_NOMEM, "out of memory: %s", directory);
    MODA_TRY(moda_study_write_csv(table, csv));
    MODA_TRY(write_json(p, table, json));
    MODA_TRY(write_markdown(p, table, markdown));
out:
    free(csv);
    free(json);
    free(markdown);
    return st;
}

/* The table as far as its figures are known; printed too if that is wanted. */
static moda_status tell(const moda_study_plan *p, bool print)
{
    moda_status st = MODA_OK;
    moda_study_table table = {p->study->columns, p->study->column_count, json_array()};
    MODA_CHECK(table.rows, MODA_ERR_NOMEM, "out of memory");
    MODA_TRY(p->study->collect(p, &table));
    MODA_TRY(write_table(p, &table));
    if (!print) goto out;
    if (!p->options->quiet) printf("\n== %s\n", p->study->title);
    moda_study_print(&table);
    printf("%zu rows in %s/%s.csv, .json and .md\n", json_array_size(table.rows),
           p->options->directory, p->study->name);
out:
    json_decref(table.rows);
    return st;
}

moda_status moda_experiment_run(const moda_experiment_options *options)
{
    moda_status st = MODA_OK;
    moda_study_plan *p = NULL;
    moda_lock *lock = NULL;
    bool done;
    MODA_TRY(moda_plan_create(options, &p));
    MODA_TRY(moda_lock_folder(options->directory, &lock));
    MODA_TRY(moda_study_begin(p));
    for (size_t i = 0; i < p->count; i++) /* all that is known goes into the first table */
        if (!p->items[i].wish) MODA_TRY(moda_step_done(p, &p->items[i], &done));
    for (size_t i = 0; i < p->count; i++) {
        MODA_TRY(moda_item_do(p, &p->items[i]));
        MODA_TRY(tell(p, i + 1 == p->count));
    }
out:
    moda_lock_release(lock);
    moda_plan_destroy(p);
    return st;
}
