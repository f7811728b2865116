/* bench/experiment_item.c - doing one item of a plan, and knowing that it is done. */
#include "base/file.h"
#include "base/log.h"
#include "bench/experiment_internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

char *moda_plan_path(const moda_study_plan *p, const char *word)
{
    return strncmp(word, "@/", 2) == 0 ? moda_format("%s/%s", p->options->directory, word + 2)
                                       : strdup(word);
}

/* ---- calling its command ---- */

static size_t count_words(const char *const *words)
{
    size_t n = 0;
    while (words && words[n]) n++;
    return n;
}

char *moda_item_line(const moda_study_plan *p, const moda_study_item *item)
{
    char *line = moda_format("moda %s", item->command->name);
    size_t i;
    json_t *word;
    json_array_foreach(item->words, i, word)
    {
        char *text = moda_plan_path(p, json_string_value(word));
        char *longer = line && text
                           ? moda_format(strpbrk(text, " ;&|'\"") ? "%s '%s'" : "%s %s", line, text)
                           : NULL;
        free(line);
        free(text);
        line = longer;
    }
    return line;
}

/* The parser permutes what it gets: the array is for it, the strings are kept apart. */
moda_status moda_item_call(const moda_study_plan *p, const moda_study_item *item, const char *json)
{
    moda_status st = MODA_OK;
    const char *const *team = p->options->team;
    const size_t own = json_array_size(item->words), more = count_words(team);
    char **strings = NULL, **argv = NULL;
    size_t n = 0;
    MODA_ALLOC(strings, (own + 1) * sizeof *strings);
    MODA_ALLOC(argv, (own + more + 5) * sizeof *argv);
    argv[n++] = (char *)item->command->name;
    for (size_t i = 0; i < own; i++) {
        strings[i] = moda_plan_path(p, json_string_value(json_array_get(item->words, i)));
        MODA_CHECK((argv[n++] = strings[i]) != NULL, MODA_ERR_NOMEM, "out of memory");
    }
    for (size_t i = 0; i < more; i++) argv[n++] = (char *)team[i];
    if (json) argv[n++] = "--json", argv[n++] = (char *)json;
    if (item->wish) argv[n++] = "--resume"; /* starts what has no checkpoint yet */
    MODA_TRY(item->command->run(item->command, (int)n, argv));
out:
    for (size_t i = 0; strings && i < own; i++) free(strings[i]);
    free(strings);
    free(argv);
    return st;
}

/* ---- what a step was made of ---- */

/* CRC-32 of a run's model, kept for later. NULL (no failure) where there is no model yet. */
static moda_status checksum(moda_study_plan *p, const char *run, json_t **sum)
{
    moda_status st = MODA_OK;
    moda_mapped_file file = {0};
    const moda_study_item *train = moda_plan_find(p, run, "train");
    char *path = train && train->taken
                     ? moda_format("%s/model.safetensors", train->taken)
                     : moda_format("%s/runs/%s/model.safetensors", p->options->directory, run);
    MODA_CHECK(path, MODA_ERR_NOMEM, "out of memory");
    *sum = json_object_get(p->checksums, run);
    if (*sum || !moda_is_file(path)) goto out;
    MODA_TRY(moda_file_map(path, &file));
    *sum = json_integer((json_int_t)crc32_z(0, file.data, file.size));
    MODA_CHECK(json_object_set_new(p->checksums, run, *sum) == 0, MODA_ERR_NOMEM, "out of memory");
out:
    moda_file_unmap(&file);
    free(path);
    return st;
}

/* {run: checksum} of the models that a step reads; NULL if one is missing. New reference. */
static moda_status models_now(moda_study_plan *p, const moda_study_item *item, json_t **models)
{
    moda_status st = MODA_OK;
    json_t *name, *sum = NULL, *now = json_object();
    size_t i;
    bool missing = false;
    json_array_foreach(item->models, i, name)
    {
        MODA_TRY(checksum(p, json_string_value(name), &sum));
        missing |= !sum;
        if (sum) (void)json_object_set(now, json_string_value(name), sum);
    }
    *models = missing ? NULL : json_incref(now);
out:
    json_decref(now);
    return st;
}

/* The command as it is kept beside its figures. New reference. */
static json_t *command_json(const moda_study_item *item)
{
    json_t *command = json_pack("[s]", item->command->name);
    if (command) (void)json_array_extend(command, item->words);
    return command;
}

static char *figures_path(const moda_study_plan *p, const moda_study_item *item)
{
    return moda_format("%s/results/%s/%s.json", p->options->directory, item->run, item->name);
}

moda_status moda_step_done(moda_study_plan *p, moda_study_item *item, bool *done)
{
    moda_status st = MODA_OK;
    json_t *file = NULL, *models = NULL, *command = command_json(item);
    char *path = figures_path(p, item);
    MODA_CHECK(path && command, MODA_ERR_NOMEM, "out of memory");
    *done = moda_is_file(path);
    if (!*done) goto out;
    MODA_TRY(models_now(p, item, &models));
    if (moda_json_read(path, &file) != MODA_OK) {
        moda_log(MODA_LOG_WARNING, "%s: done again", moda_last_error());
        *done = false;
        goto out;
    }
    /* what a command itself has just written there lacks all three */
    json_t *figures = json_object_get(file, "figures");
    *done = models && figures && json_equal(json_object_get(file, "command"), command) &&
            json_equal(json_object_get(file, "models"), models);
    json_decref(item->figures);
    item->figures = *done ? json_incref(figures) : NULL;
out:
    json_decref(file);
    json_decref(models);
    json_decref(command);
    free(path);
    return st;
}

/* The command writes its figures to the file, which is then written again with what made them: one
 * that
 * was cut short in between is done again. */
static moda_status do_step(moda_study_plan *p, moda_study_item *item)
{
    moda_status st = MODA_OK;
    json_t *file = NULL, *models = NULL;
    char *path = figures_path(p, item);
    char *folder = moda_format("%s/results/%s", p->options->directory, item->run);
    MODA_CHECK(path && folder, MODA_ERR_NOMEM, "out of memory");
    MODA_TRY(moda_make_directory(folder));
    MODA_TRY(models_now(p, item, &models));
    MODA_TRY(moda_item_call(p, item, path));
    json_decref(item->figures);
    item->figures = NULL;
    MODA_TRY(moda_json_read(path, &item->figures));
    file = json_pack("{s:o s:O s:O}", "command", command_json(item), "models", models, "figures",
                     item->figures);
    MODA_CHECK(file, MODA_ERR_NOMEM, "out of memory: %s", path);
    MODA_TRY(moda_json_write(path, file));
out:
    json_decref(file);
    json_decref(models);
    free(folder);
    free(path);
    return st;
}

/* ---- doing it ---- */

/* Whether a training that a step needs has diverged. */
static bool is_lost(const moda_study_plan *p, const moda_study_item *item)
{
    size_t k;
    json_t *name;
    for (size_t i = 0; i < p->count; i++)
        if (p->items[i].failed)
            json_array_foreach(item->models, k, name) if (strcmp(json_string_value(name),
                                                                 p->items[i].run) == 0) return true;
    return false;
}

static void say(const moda_study_plan *p, const moda_study_item *item, bool done)
{
    char *line = moda_item_line(p, item);
    if (!p->options->quiet)
        printf("\n== %zu of %zu: %s, %s%s\n%s%s%s", (size_t)(item - p->items) + 1, p->count,
               item->run, item->name, done ? ": there already" : "", done ? "" : "$ ",
               done || !line ? "" : line, done ? "" : "\n");
    fflush(stdout);
    free(line);
}

moda_status moda_item_do(moda_study_plan *p, moda_study_item *item)
{
    moda_status st = MODA_OK;
    bool done = false;
    if (is_lost(p, item)) goto out;
    if (item->wish)
        MODA_TRY(moda_train_done(p, item, &done));
    else
        MODA_TRY(moda_step_done(p, item, &done));
    say(p, item, done);
    if (done && item->wish) MODA_TRY(moda_train_finish(p, item));
    if (done) goto out;
    if (!item->wish) {
        MODA_TRY(do_step(p, item));
        goto out;
    }
    st = moda_item_call(p, item, NULL);
    if (st != MODA_ERR_NUMERIC) goto out; /* a training that diverges is a result, too */
    moda_log(MODA_LOG_WARNING, "%s: %s: its figures stay empty", item->run, moda_last_error());
    item->failed = true, st = MODA_OK;
out:
    if (st != MODA_OK) st = moda_fail_context(st, "%s, %s", item->run, item->name);
    return st;
}
