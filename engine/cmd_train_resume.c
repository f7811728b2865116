/* engine/cmd_train_resume.c - moda train --resume: the options of the run that it goes on with,
 * its newest checkpoint, and its lines. */
#include "base/file.h"
#include "base/log.h"
#include "engine/checkpoint.h"
#include "engine/cmd_train_internal.h"
#include "engine/run_network.h"
#include "engine/train_record.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- options ---- */

static char *in_run(const moda_train_command *c, const char *name)
{
    return moda_format("%s/%s", c->out, name);
}

/* Whether a method has a weight of that name: the other ones are refused with it. */
static bool takes(int method, const char *weight)
{
    return method == MODA_METHOD_MODA ||
           (method == MODA_METHOD_MWT && strcmp(weight, "gamma") != 0);
}

static int method_of(const json_t *values)
{
    return (int)moda_method_named(json_string_value(json_object_get(values, "method")));
}

/* What the run was given, without what the machine decides and what its method does not take:
 * nor one from the command line (which is not moda, the default), to be refused for its name
 * alone. */
static json_t *run_options(const moda_train_command *c)
{
    static const char *const weights[] = {"alpha", "beta", "gamma"};
    static const char *const machine[] = {"threads", "bind", "smt"};
    json_t *values = json_copy(c->before);
    const int method = method_of(values);
    for (size_t i = 0; i < 3; i++) {
        if (!takes(method, weights[i]) || !takes(c->method, weights[i]))
            json_object_del(values, weights[i]);
        if (c->pause.anyway) json_object_del(values, machine[i]);
    }
    return values;
}

moda_status moda_train_options_of_run(moda_train_command *c, const moda_option *table)
{
    moda_status st = MODA_OK;
    char *path = NULL;
    json_t *values = NULL;
    MODA_CHECK(c->out, MODA_ERR_ARG, "--resume: --out is missing: name the folder of the run");
    MODA_CHECK((path = in_run(c, "config.json")) != NULL, MODA_ERR_NOMEM, "out of memory");
    if (!moda_is_file(path)) {
        MODA_CHECK(
            c->model_name, MODA_ERR_IO,
            "%s: no such file, so no run to go on with: name --model and --data to start one",
            path);
        goto out;
    }
    MODA_CHECK(!c->profile, MODA_ERR_ARG,
               "--profile times the first steps of a run: give it without --resume");
    MODA_TRY(moda_json_read(path, &c->before));
    MODA_CHECK(json_is_object(c->before), MODA_ERR_FORMAT, "%s: not a run's configuration", path);
    MODA_CHECK((values = run_options(c)) != NULL, MODA_ERR_NOMEM, "out of memory");
    st = moda_options_preset(table, values);
    if (st == MODA_ERR_ARG) st = MODA_ERR_FORMAT; /* the file's fault, not the caller's */
    MODA_TRY(moda_fail_context(st, "%s", path));
    c->no_augment = json_is_false(json_object_get(values, "augment"));
    c->no_shuffle = json_is_false(json_object_get(values, "shuffle"));
out:
    json_decref(values);
    free(path);
    return st;
}

/* What may change from one stretch of a run to the next. */
static bool is_free(const char *key)
{
    static const char *const keys[] = {"bind",
                                       "smt",
                                       "checkpoint_minutes",
                                       "checkpoint_epochs",
                                       "checkpoint_steps",
                                       "keep_checkpoints"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strcmp(keys[i], key) == 0) return true;
    return false;
}

moda_status moda_train_agree(const moda_train_command *c)
{
    moda_status st = MODA_OK;
    char text[512] = "";
    size_t used = 0;
    const char *key;
    json_t *here;
    char *path = in_run(c, "config.json");
    MODA_CHECK(path, MODA_ERR_NOMEM, "out of memory");
    json_object_foreach(c->config, key, here)
    {
        const json_t *there = json_object_get(c->before, key);
        if (!there || is_free(key) || json_equal(here, there)) continue;
        char *a = moda_json_line(here), *b = moda_json_line(there);
        if (a && b && used < sizeof text)
            used += (size_t)snprintf(text + used, sizeof text - used, "%s%s is %s, not %s",
                                     used ? "; " : "", key, b, a);
        free(a), free(b);
    }
    MODA_CHECK(!*text, MODA_ERR_ARG, "--resume: in %s %s: leave that away, or name another folder",
               path, text);
    MODA_TRY(moda_run_check_network(c->before, path, c->model_name));
out:
    free(path);
    return st;
}

/* ---- the checkpoint ---- */

moda_status moda_train_is_done(const moda_train_command *c, bool *done)
{
    moda_status st = MODA_OK;
    char *path = in_run(c, "model.safetensors");
    MODA_CHECK(path, MODA_ERR_NOMEM, "out of memory");
    *done = moda_is_file(path);
out:
    free(path);
    return st;
}

/* Other machines round differently, and the choices that were measured here may not exist there. */
static moda_status check_machine(moda_train_command *c, const moda_tuning_machine *before)
{
    moda_status st = MODA_OK;
    const moda_tuning_machine here = moda_tuning_machine_here(c->threads);
    char text[512] = "";
    if (before->threads != here.threads)
        snprintf(text, sizeof text, "%zu threads, here %zu", before->threads, here.threads);
    else if (strcmp(before->library, here.library) != 0)
        snprintf(text, sizeof text, "oneDNN %s, here %s", before->library, here.library);
    else if (strcmp(before->kernels, here.kernels) != 0)
        snprintf(text, sizeof text, "%s kernels, here %s", before->kernels, here.kernels);
    else if (strcmp(before->cpu, here.cpu) != 0)
        snprintf(text, sizeof text, "CPU %s, here %s", before->cpu, here.cpu);
    c->same_machine = !*text;
    MODA_CHECK(c->same_machine || c->pause.anyway, MODA_ERR_ARG,
               "%s is of another machine (%s), which rounds differently: --resume-anyway goes on "
               "all the same",
               moda_checkpoint_path(c->checkpoint), text);
    if (!c->same_machine)
        moda_log(MODA_LOG_WARNING, "%s is of another machine (%s): the result will differ",
                 moda_checkpoint_path(c->checkpoint), text);
out:
    return st;
}

moda_status moda_train_find_checkpoint(moda_train_command *c)
{
    moda_status st = MODA_OK;
    char *folder = moda_run_checkpoints(c->out);
    size_t step = 0;
    bool done, found;
    MODA_CHECK(folder, MODA_ERR_NOMEM, "out of memory");
    MODA_TRY(moda_lock_folder(c->out, &c->lock));
    if (!c->before) {
        MODA_TRY(moda_train_is_done(c, &done));
        MODA_TRY(moda_checkpoint_newest(folder, &step, &found));
        MODA_CHECK(done || !found, MODA_ERR_ARG,
                   "%s: holds a run that stopped, with a checkpoint of step %zu: go on with "
                   "--resume, or remove that folder",
                   folder, step);
        goto out;
    }
    MODA_TRY(moda_checkpoint_open_newest(folder, &c->checkpoint));
    if (c->checkpoint)
        MODA_TRY(check_machine(c, &moda_checkpoint_get(c->checkpoint)->machine));
    else
        moda_log(MODA_LOG_INFO, "%s: no checkpoint yet, the run starts anew", folder);
out:
    free(folder);
    return st;
}

moda_status moda_train_tuning_of_run(moda_train_command *c, bool *known)
{
    moda_status st = MODA_OK;
    *known = c->checkpoint && c->same_machine;
    if (!*known) goto out;
    const moda_tuning *t = &moda_checkpoint_get(c->checkpoint)->tuning;
    for (size_t i = 0; i < t->count; i++) MODA_TRY(moda_tuning_set(&c->tuning, &t->entries[i]));
out:
    return st;
}

/* ---- going on ---- */

/* The epochs so far, for --json and the last line. */
static moda_status read_metrics(moda_train_command *c, size_t bytes)
{
    moda_status st = MODA_OK;
    char *path = in_run(c, "metrics.jsonl");
    moda_mapped_file file = {0};
    MODA_CHECK(path, MODA_ERR_NOMEM, "out of memory");
    if (bytes) MODA_TRY(moda_file_map(path, &file));
    MODA_CHECK(file.size >= bytes, MODA_ERR_FORMAT,
               "%s: has %zu bytes, the checkpoint was written behind %zu: lines of it are lost",
               path, file.size, bytes);
    for (size_t at = 0, line = 1; at < bytes; line++) {
        const char *begin = (const char *)file.data + at, *end = memchr(begin, '\n', bytes - at);
        json_t *json = NULL;
        if (end) MODA_TRY(moda_json_parse(begin, (size_t)(end - begin), &json, NULL));
        const bool good =
            moda_train_record_parse(json, &c->last) && json_array_append(c->epochs, json) == 0;
        json_decref(json);
        MODA_CHECK(good, MODA_ERR_FORMAT, "%s:%zu: not a record of an epoch", path, line);
        at = (size_t)(end - (const char *)file.data) + 1;
    }
out:
    moda_file_unmap(&file);
    free(path);
    return st;
}

moda_status moda_train_go_on(moda_train_command *c)
{
    moda_status st = MODA_OK;
    const moda_checkpoint_info *info = moda_checkpoint_get(c->checkpoint);
    MODA_CHECK(info->data == moda_checkpoint_data(c->data), MODA_ERR_ARG,
               "%s: other images or labels than those this run was trained on so far",
               c->data_options.spec);
    MODA_TRY(moda_checkpoint_restore(c->checkpoint, c->model, c->trainer));
    MODA_TRY(read_metrics(c, info->metrics_bytes));
    MODA_TRY(
        moda_run_resume(c->out, c->log_steps, info->metrics_bytes, info->steps_bytes, &c->run));
    c->pause.written = true, c->pause.good_step = info->position.steps;
    if (!c->common.quiet)
        printf("resume    behind step %zu, in epoch %zu, from %s\n", info->position.steps,
               info->position.epoch + 1, moda_checkpoint_path(c->checkpoint));
    fflush(stdout);
out:
    return st;
}
