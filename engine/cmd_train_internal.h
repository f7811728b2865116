/* engine/cmd_train_internal.h - what the files of `moda train` share: the command line and what it
 * leads to (cmd_train.c), and what is said about it (cmd_train_report.c). */
#ifndef MODA_ENGINE_CMD_TRAIN_INTERNAL_H
#define MODA_ENGINE_CMD_TRAIN_INTERNAL_H

#include "base/lock.h"
#include "datasets/data_options.h"
#include "engine/checkpoint.h"
#include "engine/method.h"
#include "engine/run.h"
#include "engine/trainer.h"
#include "engine/tuner.h"

enum { FLIP_AUTO, FLIP_YES, FLIP_NO };
/* The words of the options of these names, NULL behind the last. */
extern const char *const moda_train_flips[];
extern const char *const moda_train_precisions[];   /* as moda_precision */
extern const char *const moda_train_convolutions[]; /* as moda_convolution */

/* Checkpoints and stopping: the options, and the state of cmd_train_pause.c. */
typedef struct moda_train_pause {
    bool resume, anyway;
    double minutes; /* between checkpoints; 0: not by time */
    size_t epochs, steps, keep;
    const char *limit_text; /* NULL: no limit */
    double limit;           /* seconds since the start; 0: none */

    double last; /* when a checkpoint was tried last, or training began */
    size_t last_step, last_epoch;
    bool written; /* there is one, of good_step */
    size_t good_step;
    double write_seconds; /* of the last one */
    double asked,
        longest;  /* when stop() was asked last, and the longest time between two questions */
    char why[64]; /* it was stopped: "by SIGTERM" */
} moda_train_pause;
enum { MODA_TRAIN_PAUSE_COUNT = 8 }; /* options, with the closing entry */

/* The command line, and what it leads to. */
typedef struct moda_train_command {
    const char *model_name, *out, *init;
    int method, precision, convolution, flip;
    int tune; /* moda_tune_effort; until parsed -1: not given */
    moda_tuning tuning;
    moda_tune_summary tuned;
    double alpha, beta, gamma; /* NaN: not given */
    bool no_augment, no_shuffle, log_steps, profile;
    moda_sizes keep_epochs; /* ascending, counted from 1 */
    moda_data_options data_options;
    moda_common_options common;
    moda_train_options options;
    size_t threads;
    moda_dataset *data;
    moda_model *model;
    moda_trainer *trainer;
    moda_run *run;
    json_t *config, *epochs;
    moda_train_record last;
    double started;
    moda_train_pause pause;
    json_t *before;              /* --resume: config.json of the run; NULL: there is none */
    moda_checkpoint *checkpoint; /* --resume: where it goes on; NULL: from the start */
    bool same_machine;           /* as that of the checkpoint */
    moda_lock *lock;             /* on the folder */
} moda_train_command;

/* Measured on full batches; the smaller last one and the test do the same. */
size_t moda_train_tuned_batch(const moda_train_command *c);

/* Everything needed to run it again, under the names of the options: c->config. First what the
 * options say, then what data, network and machine make of them. */
moda_status moda_train_config(moda_train_command *c);
moda_status moda_train_config_facts(moda_train_command *c);
void moda_train_introduce(const moda_train_command *c);
void moda_train_say_epoch(const moda_train_command *c, const moda_train_record *r);
/* The last lines, the profile, and the file of --json. */
moda_status moda_train_report(moda_train_command *c);

/* ---- cmd_train_pause.c ---- */

void moda_train_pause_table(moda_train_pause *p, moda_option table[MODA_TRAIN_PAUSE_COUNT]);
moda_status moda_train_pause_settle(moda_train_pause *p);
/* In an event: a failure costs a warning. */
void moda_train_checkpoint_if_due(moda_train_command *c);
/* Trains; a signal or the time limit ends it with a checkpoint and MODA_STOPPED. */
moda_status moda_train_until_stopped(moda_train_command *c, moda_train_events events);

/* ---- cmd_train_resume.c ---- */

/* c->before, if the folder has a run, and its options as presets of the table. */
moda_status moda_train_options_of_run(moda_train_command *c, const moda_option *table);
/* Whether c->config, after the options, is that of the run, and the network still the same. Fails: MODA_ERR_ARG
 * (names what is not). */
moda_status moda_train_agree(const moda_train_command *c);
moda_status moda_train_is_done(const moda_train_command *c, bool *done);
/* Takes the folder's lock. c->checkpoint; without --resume checks that there is none that would be
 * lost. */
moda_status moda_train_find_checkpoint(moda_train_command *c);
/* The choices that the run has used so far, if they are good here. */
moda_status moda_train_tuning_of_run(moda_train_command *c, bool *known);
/* Trainer, files and figures as they were at the checkpoint. */
moda_status moda_train_go_on(moda_train_command *c);

#endif
