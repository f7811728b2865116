#include "decompose/sweep_runs.h"
#include "base/file.h"
#include "base/json.h"
#include "base/lock.h"
#include "base/log.h"
#include "decompose/checksum.h"
#include "decompose/commands.h"
#include "decompose/compose.h"
#include "engine/checkpoint.h"
#include "engine/commands.h"
#include "engine/run.h"
#include "engine/run_network.h"
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* moda train's defaults. */
static const double defaults[3] = {1, 1, 0.3};

/* ---- which runs ---- */

static moda_status add_run(const char *directory, const double w[3], moda_sweep_run *runs,
                           size_t *count)
{
    moda_status st = MODA_OK;
    for (size_t i = 0; i < *count; i++)
        if (runs[i].alpha == w[0] && runs[i].beta == w[1] && runs[i].gamma == w[2]) goto out;
    moda_sweep_run *r = &runs[(*count)++];
    *r = (moda_sweep_run){.alpha = w[0], .beta = w[1], .gamma = w[2]};
    r->directory =
        moda_format("%s/alpha-%.15g_beta-%.15g_gamma-%.15g", directory, w[0], w[1], w[2]);
    MODA_CHECK(r->directory, MODA_ERR_NOMEM, "out of memory: %s", directory);
    r->modules = moda_format("%s/modules", r->directory);
    MODA_CHECK(r->modules, MODA_ERR_NOMEM, "out of memory: %s", directory);
out:
    return st;
}

moda_status moda_sweep_runs_list(const moda_sweep_plan *plan, moda_sweep_run **result,
                                 size_t *count)
{
    moda_status st = MODA_OK;
    moda_sweep_run *runs = NULL;
    size_t n = 0;
    moda_reals list[3] = {plan->alpha, plan->beta, plan->gamma};
    for (size_t k = 0; k < 3; k++)
        if (list[k].n == 0) list[k] = (moda_reals){(double *)&defaults[k], 1};
    const size_t all = list[0].n * list[1].n * list[2].n;
    MODA_ALLOC(runs, (all + list[0].n + list[1].n + list[2].n) * sizeof *runs);
    for (size_t i = 0; !plan->one_at_a_time && i < all; i++) {
        const double w[3] = {list[0].values[i / list[2].n / list[1].n],
                             list[1].values[i / list[2].n % list[1].n],
                             list[2].values[i % list[2].n]};
        MODA_TRY(add_run(plan->directory, w, runs, &n));
    }
    for (size_t k = 0; plan->one_at_a_time && k < 3; k++)
        for (size_t i = 0; i < list[k].n; i++) {
            double w[3] = {defaults[0], defaults[1], defaults[2]};
            w[k] = list[k].values[i];
            MODA_TRY(add_run(plan->directory, w, runs, &n));
        }
    *result = runs, runs = NULL;
    *count = n;
out:
    moda_sweep_runs_free(runs, n);
    return st;
}

void moda_sweep_runs_free(moda_sweep_run *runs, size_t count)
{
    for (size_t i = 0; runs && i < count; i++) {
        free(runs[i].directory);
        free(runs[i].modules);
    }
    free(runs);
}

/* ---- the folder ---- */

/* How many words an option takes that changes how long it takes, when it stops and what is shown,
 * not what comes out; 0: it is another one. */
static size_t words_of_speed(const char *word)
{
    static const char *const alone[] = {"--quiet", "--smt", "--resume", "--resume-anyway"};
    static const char *const with_value[] = {"--threads",          "--bind",
                                             "--placement",        "--time-limit",
                                             "--checkpoint-steps", "--checkpoint-epochs",
                                             "--keep-checkpoints", "--checkpoint-minutes"};
    for (size_t i = 0; i < sizeof alone / sizeof *alone; i++)
        if (strcmp(word, alone[i]) == 0) return 1;
    for (size_t i = 0; i < sizeof with_value / sizeof *with_value; i++) {
        const size_t n = strlen(with_value[i]);
        if (strncmp(word, with_value[i], n) == 0 && (word[n] == '=' || word[n] == 0))
            return word[n] ? 1 : 2;
    }
    return 0;
}

static moda_status options_json(const moda_sweep_plan *plan, json_t **json)
{
    moda_status st = MODA_OK;
    json_t *words = json_array();
    int bad = 0;
    for (size_t i = 0; i < plan->train.n; i++) {
        const char *word = plan->train.word[i];
        const size_t speed_only = words_of_speed(word);
        if (speed_only) {
            i += speed_only - 1;
            continue;
        }
        json_t *text = json_string(word);
        MODA_CHECK(text, MODA_ERR_ARG, "'%s' is no UTF-8 text, which sweep.json needs", word);
        bad |= json_array_append_new(words, text);
    }
    MODA_CHECK(!bad && (*json = json_pack("{s:O}", "train", words)) != NULL, MODA_ERR_NOMEM,
               "out of memory: options of a sweep");
out:
    json_decref(words);
    return st;
}

/* Whether a run was cut short behind a checkpoint, from which it can go on. */
static moda_status has_checkpoint(const char *run, bool *yes)
{
    moda_status st = MODA_OK;
    size_t step;
    char *folder = moda_run_checkpoints(run);
    MODA_CHECK(folder, MODA_ERR_NOMEM, "out of memory: %s", run);
    MODA_TRY(moda_checkpoint_newest(folder, &step, yes));
out:
    free(folder);
    return st;
}

/* Whether a run has something that another call takes up: its model, or a checkpoint. */
static moda_status has_results(const char *directory, const char *name, bool *yes)
{
    moda_status st = MODA_OK;
    char *run = moda_format("%s/%s", directory, name);
    char *model = moda_format("%s/%s/model.safetensors", directory, name);
    MODA_CHECK(run && model, MODA_ERR_NOMEM, "out of memory: %s", directory);
    *yes = moda_is_file(model);
    if (!*yes) MODA_TRY(has_checkpoint(run, yes));
out:
    free(run);
    free(model);
    return st;
}

/* Whether a run is of the network that is to be trained now. */
static moda_status check_network(const moda_sweep_plan *plan, const char *name)
{
    moda_status st = MODA_OK;
    json_t *config = NULL;
    char *path = moda_format("%s/%s/config.json", plan->directory, name);
    MODA_CHECK(path, MODA_ERR_NOMEM, "out of memory: %s", plan->directory);
    if (!moda_is_file(path)) goto out; /* a model from elsewhere */
    MODA_TRY(moda_json_read(path, &config));
    MODA_TRY(moda_run_check_network(config, path, moda_words_value(&plan->train, "model")));
out:
    json_decref(config);
    free(path);
    return st;
}

/* Whether any run below has results, those of earlier calls with other weights too; networks: all that have
 * are of the plan's. */
static moda_status look_at_runs(const moda_sweep_plan *plan, bool networks, bool *any)
{
    moda_status st = MODA_OK;
    DIR *folder = opendir(plan->directory);
    *any = false;
    MODA_CHECK(folder, MODA_ERR_IO, "%s: %s", plan->directory, strerror(errno));
    for (;;) {
        const struct dirent *entry;
        bool yes;
        MODA_TRY(moda_directory_next(folder, plan->directory, &entry));
        if (!entry) break;
        if (strncmp(entry->d_name, "alpha-", 6) != 0) continue;
        MODA_TRY(has_results(plan->directory, entry->d_name, &yes));
        if (yes && networks) MODA_TRY(check_network(plan, entry->d_name));
        *any |= yes;
    }
out:
    if (folder) closedir(folder);
    return st;
}

/* Options that are not those of the runs that are there are refused. */
static moda_status check_options(const json_t *now, const char *path)
{
    moda_status st = MODA_OK;
    json_t *before = NULL;
    MODA_TRY(moda_json_read(path, &before));
    MODA_CHECK(json_equal(now, before), MODA_ERR_ARG,
               "%s: the runs of this folder have other options than these: name another folder "
               "with --out, or give the same options",
               path);
out:
    json_decref(before);
    return st;
}

moda_status moda_sweep_runs_begin(const moda_sweep_plan *plan, bool *results)
{
    moda_status st = MODA_OK;
    bool any = false;
    json_t *now = NULL;
    char *path = moda_format("%s/sweep.json", plan->directory);
    MODA_CHECK(path, MODA_ERR_NOMEM, "out of memory: %s", plan->directory);
    MODA_TRY(options_json(plan, &now));
    MODA_TRY(moda_make_directory(plan->directory));
    MODA_TRY(look_at_runs(plan, false, &any));
    if (any && moda_is_file(path)) MODA_TRY(check_options(now, path));
    if (any) MODA_TRY(look_at_runs(plan, true, &any));
    if (!any || !moda_is_file(path)) MODA_TRY(moda_json_write(path, now));
    *results = any;
out:
    json_decref(now);
    free(path);
    return st;
}

void moda_sweep_runs_withdraw(const moda_sweep_plan *plan, const moda_sweep_run *first)
{
    char *path = moda_format("%s/sweep.json", plan->directory);
    if (path && !moda_is_directory(first->directory)) (void)unlink(path);
    free(path);
}

/* ---- doing them ---- */

/* `moda NAME WORDS... MORE...`. The parser permutes what it gets, so it gets a copy. */
static moda_status call(const moda_command *command, const moda_words *words,
                        const char *const *more, size_t more_count)
{
    moda_status st = MODA_OK;
    const size_t n = 1 + words->n + more_count;
    char **argv = NULL;
    MODA_ALLOC(argv, (n + 1) * sizeof *argv);
    argv[0] = (char *)command->name;
    memcpy(argv + 1, words->word, words->n * sizeof *argv);
    for (size_t i = 0; i < more_count; i++) argv[1 + words->n + i] = (char *)more[i];
    MODA_TRY(command->run(command, (int)n, argv));
out:
    free(argv);
    return st;
}

/* What began and left nothing to go on with begins anew, by the options of this call: those of the other one
 * would stand in for what is not given. */
static moda_status forget_configuration(const moda_sweep_run *run)
{
    moda_status st = MODA_OK;
    moda_lock *lock = NULL; /* moda train may be at work there */
    MODA_TRY(moda_lock_folder(run->directory, &lock));
    MODA_TRY(moda_remove_matching(run->directory, "config.json"));
out:
    moda_lock_release(lock);
    return st;
}

/* With --resume always: then moda train does not tell people to call it, should it be stopped. */
static moda_status train(const moda_sweep_plan *plan, const moda_sweep_run *run)
{
    moda_status st = MODA_OK;
    char alpha[32], beta[32], gamma[32];
    bool begun = false, resume = false;
    snprintf(alpha, sizeof alpha, "%.15g", run->alpha);
    snprintf(beta, sizeof beta, "%.15g", run->beta);
    snprintf(gamma, sizeof gamma, "%.15g", run->gamma);
    const char *const more[] = {"--alpha", alpha,   "--beta",       beta,      "--gamma",
                                gamma,     "--out", run->directory, "--resume"};
    for (size_t i = 0; i < plan->train.n; i++)
        resume |= strcmp(plan->train.word[i], "--resume") == 0;
    MODA_TRY(has_checkpoint(run->directory, &begun));
    if (!begun) MODA_TRY(forget_configuration(run));
    MODA_TRY(moda_remove_matching(run->modules, "decomposition.json")); /* of an earlier model */
    MODA_TRY(call(&moda_command_train, &plan->train, more, sizeof more / sizeof *more - resume));
out:
    return st;
}

/* True if the modules are there, of the model as it is now and made as is wanted. A model without the
 * outputs that --classes leaves out has other weights by nature: there train() sees to it. */
static moda_status is_decomposed(const moda_sweep_plan *plan, const moda_sweep_run *run,
                                 const char *model_path, bool *yes)
{
    moda_status st = MODA_OK;
    moda_model *model = NULL, *taken = NULL;
    moda_masks *masks = NULL;
    char *report = moda_format("%s/decomposition.json", run->modules);
    MODA_CHECK(report, MODA_ERR_NOMEM, "out of memory: %s", run->modules);
    *yes = moda_is_file(report);
    if (!*yes) goto out;
    MODA_TRY(moda_model_open(model_path, (moda_net_defaults){0}, &model));
    MODA_TRY(moda_decomposition_open(run->modules, &taken, &masks));
    *yes = (taken->net->classes != model->net->classes ||
            masks->weights == moda_model_checksum(model)) &&
           moda_activity_rule_equal(masks->rule, plan->rule) &&
           masks->min_active == plan->min_active;
out:
    moda_masks_destroy(masks);
    moda_model_destroy(taken);
    moda_model_destroy(model);
    free(report);
    return st;
}

/* Results on earlier modules go first: they would be refused as those of other masks. */
static moda_status decompose(const moda_sweep_plan *plan, const moda_sweep_run *run,
                             const char *model)
{
    moda_status st = MODA_OK;
    char tau[32], *results = moda_format("%s/sweep", run->modules);
    MODA_CHECK(results, MODA_ERR_NOMEM, "out of memory: %s", run->modules);
    MODA_TRY(moda_remove_matching(results, "tau-*.jsonl"));
    snprintf(tau, sizeof tau, "%.15g", plan->tau);
    const char *const more[] = {model, "--tau", tau, "--out", run->modules};
    MODA_TRY(call(&moda_command_decompose, &plan->decompose, more, sizeof more / sizeof *more));
out:
    free(results);
    return st;
}

bool moda_sweep_run_is_trained(const moda_sweep_run *run)
{
    char *model = moda_format("%s/model.safetensors", run->directory);
    const bool there = model && moda_is_file(model);
    free(model);
    return there;
}

moda_status moda_sweep_runs_do(const moda_sweep_plan *plan, const moda_sweep_run *run)
{
    moda_status st = MODA_OK;
    bool decomposed = false;
    char *model = moda_format("%s/model.safetensors", run->directory);
    MODA_CHECK(model, MODA_ERR_NOMEM, "out of memory: %s", run->directory);
    if (moda_sweep_run_is_trained(run)) {
        moda_log(MODA_LOG_INFO, "%s: trained already", run->directory);
        moda_run_finish(run->directory);
    } else {
        MODA_TRY(train(plan, run));
    }
    MODA_TRY(is_decomposed(plan, run, model, &decomposed));
    if (!decomposed) MODA_TRY(decompose(plan, run, model));
out:
    free(model);
    return st;
}
