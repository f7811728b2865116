/* bench/cmd_experiment.c - moda experiment STUDY: a study of the method, from training to its table.
 * */
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "bench/commands.h"
#include "bench/experiment.h"
#include "numa/threads.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEAM_WORDS = 10 };

typedef struct settings {
    moda_common_options common;
    moda_experiment_options experiment;
    bool small, dry_run;
    char threads[32];
    const char *team[TEAM_WORDS];
} settings;

static void print_studies(void)
{
    printf("\nstudies\n");
    for (const char *const *s = moda_experiment_list(); *s; s += 2)
        printf("  %-12s %s\n", s[0], s[1]);
}

/* Commands of the study compute as this one is told to. */
static void team_words(settings *s)
{
    const moda_common_options *c = &s->common;
    size_t n = 0;
    snprintf(s->threads, sizeof s->threads, "%zu", c->threads);
    if (c->threads) s->team[n++] = "--threads", s->team[n++] = s->threads;
    if (c->bind) s->team[n++] = "--bind", s->team[n++] = c->bind;
    if (c->placement) s->team[n++] = "--placement", s->team[n++] = c->placement;
    if (c->smt) s->team[n++] = "--smt";
    if (c->quiet) s->team[n++] = "--quiet";
    s->team[n] = NULL;
    s->experiment.team = s->team;
}

static moda_status check(settings *s)
{
    moda_status st = MODA_OK;
    moda_experiment_options *e = &s->experiment;
    const char *const *known = moda_experiment_list();
    char table[40]; /* pattern of the files of its table */
    const char *const own[] = {"study.json", table, NULL};
    for (; *known && strcmp(*known, e->study) != 0;) known += 2;
    MODA_CHECK(!(s->small && e->full), MODA_ERR_ARG, "--small and --full: drop one of them");
    if (!*known) goto out; /* the library knows what to say */
    MODA_CHECK(e->data, MODA_ERR_ARG,
               "--data is missing: the data to train on and to judge with, as in --data "
               "fashion-mnist; published is cifar10:DIR");
    MODA_CHECK(e->directory, MODA_ERR_ARG, "--out is missing: name a folder for the study");
    MODA_TRY(moda_check_folder(e->directory));
    snprintf(table, sizeof table, "%s.*", e->study);
    MODA_TRY(moda_check_distinct("json", s->common.json, e->directory, own));
out:
    return st;
}

static moda_status parse(const moda_command *self, int argc, char **argv, settings *s, bool *help)
{
    moda_status st = MODA_OK;
    moda_option common[MODA_COMMON_OPTION_COUNT];
    char **operands;
    size_t count;
    moda_experiment_options *e = &s->experiment;
    moda_common_options_table(&s->common, common);
    const moda_option table[] = {
        {MODA_OPTION_TEXT, "data", "SPEC", "train on it, and judge with its test images", &e->data,
         0, 0, NULL},
        {MODA_OPTION_TEXT, "out", "DIR", "folder for runs, results and the table", &e->directory, 0,
         0, NULL},
        {MODA_OPTION_FLAG, "small", NULL,
         "8 epochs for VGG and MobileNet, 6 for ResNet, 20 for others (the default)", &s->small, 0,
         0, NULL},
        {MODA_OPTION_FLAG, "full", NULL, "as published: 200 epochs, and all sub-tasks", &e->full, 0,
         0, NULL},
        {MODA_OPTION_TEXT, "model", "LIST",
         "networks, NAME or FILE.net (default lenet5, replacement vgg11; --full: those published)",
         &e->models, 0, 0, NULL},
        {MODA_OPTION_SIZE, "epochs", "N",
         "of every training; in replacement of the strong ones (default: as --small or --full)",
         &e->epochs, 1, 1e6, NULL},
        {MODA_OPTION_SIZE, "sample", "N",
         "sub-tasks per number of classes (default 5 for VGG and MobileNet, 2 for ResNet, else "
         "all)",
         &e->sample, 1, 1e6, NULL},
        {MODA_OPTION_TEXT, "use", "DIR,DIR",
         "take these finished trainings over, each for the one that it is", &e->use, 0, 0, NULL},
        {MODA_OPTION_FLAG, "dry-run", NULL,
         "only list what would be done, and how long it may take (--json FILE: there, too)",
         &s->dry_run, 0, 0, NULL},
        {MODA_OPTION_TABLE, NULL, NULL, NULL, common, 0, 0, NULL},
        {MODA_OPTION_END, NULL, NULL, NULL, NULL, 0, 0, NULL},
    };
    MODA_TRY(moda_options_parse(self, table, argc, argv, 1, 1, &operands, &count, help));
    if (*help) {
        print_studies();
        goto out;
    }
    e->study = operands[0], e->seed = s->common.seed, e->quiet = s->common.quiet;
    if (e->quiet) moda_log_set_level(MODA_LOG_WARNING);
    MODA_TRY(check(s));
    team_words(s);
out:
    return st;
}

/* --json is the study's own JSON, once more. */
static moda_status copy_json(const settings *s)
{
    moda_status st = MODA_OK;
    json_t *json = NULL;
    char *path = moda_format("%s/%s.json", s->experiment.directory, s->experiment.study);
    MODA_CHECK(path, MODA_ERR_NOMEM, "out of memory");
    MODA_TRY(moda_json_read(path, &json));
    MODA_TRY(moda_json_write(s->common.json, json));
out:
    json_decref(json);
    free(path);
    return st;
}

static moda_status run(const moda_command *self, int argc, char **argv)
{
    moda_status st = MODA_OK;
    settings s = {0};
    size_t threads;
    bool help = false;
    MODA_TRY(parse(self, argc, argv, &s, &help));
    if (help) goto out;
    MODA_TRY(moda_threads_apply(&s.common, &threads));
    if (s.dry_run) {
        MODA_TRY(moda_experiment_show(&s.experiment, s.common.json));
        goto out;
    }
    MODA_TRY(moda_experiment_run(&s.experiment));
    if (s.common.json) MODA_TRY(copy_json(&s));
out:
    return st;
}

const moda_command moda_command_experiment = {
    .name = "experiment",
    .summary = "a study of the method: trainings, what is made of them, and a table",
    .operands = "STUDY",
    .example = "moda experiment accuracy --data fashion-mnist --out studies/accuracy",
    .run = run,
};
