/* bench/experiment.h - the studies by which the method was published, as drivers that can be stopped
 * and
 * go on.
 *
 * A study is a list of trainings, commands of moda that make something of each, and a table of
 * figures out of what these wrote. Below its folder DIR:
 *     study.json            the settings; a folder of others is refused
 *     runs/RUN/             what moda train writes (docs/formats.md)
 *     results/RUN/STEP.json {"command", "models", "figures"}: what moda STEP --json writes, and of
 * what
 *     STUDY.csv, .json, .md the table; written anew whenever something is done
 * What is done is not done again: a training whose runs/RUN has a model and a config.json that says
 * what the study wants, a step whose command and models are still the same. runs/RUN may be a link
 * to, or a copy of, a folder that was trained elsewhere. docs/experiments.md. */
#ifndef MODA_BENCH_EXPERIMENT_H
#define MODA_BENCH_EXPERIMENT_H

#include "base/options.h"
#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>

typedef struct moda_experiment_options {
    const char *study;     /* one of moda_experiment_list() */
    const char *directory; /* DIR, made when missing */
    const char *data;      /* SPEC */
    const char *models;    /* "vgg16,resnet18"; NULL: the study's usual ones */
    bool full;             /* as published; else small: hours become minutes */
    size_t epochs;         /* replacement: of strong ones; 0: 200 if full, else by network */
    size_t sample;         /* sub-tasks of each number of classes; 0: by network */
    size_t seed;
    const char *use;         /* "DIR,DIR": trainings to take over, wherever they fit; NULL: none */
    const char *const *team; /* words that every command gets, closed by NULL: "--threads", "2" */
    bool quiet;
} moda_experiment_options;

/* Does what is left to do, writes the table and prints it; DIR is locked meanwhile. A training whose
 * loss became NaN is warned of and leaves its cells empty. Fails: MODA_ERR_ARG (no such study; a
 * folder of another study or of other settings; a run that was trained otherwise), MODA_ERR_IO
 * (also: another process is at work in DIR), and as the commands. */
MODA_MUST_USE moda_status moda_experiment_run(const moda_experiment_options *options);
/* Prints what would be done, with times that are estimated from a few steps. json (NULL: none): a file
 * for {"title", "settings", "steps": [{"run", "step", "done", "seconds", "at_most", "command"}],
 * "seconds", "at_most"}; what is done takes 0 seconds. Fails: as moda_experiment_run(), but DIR is neither locked nor
 * written to. */
MODA_MUST_USE moda_status moda_experiment_show(const moda_experiment_options *options,
                                               const char *json);

/* Name and one line for each study, NULL behind the last; one array of pairs. */
const char *const *moda_experiment_list(void);

#endif
