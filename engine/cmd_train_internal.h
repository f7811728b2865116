/* engine/cmd_train_internal.h - what the files of `moda train` share: the command line and what it
 * leads to (cmd_train.c), and what is said about it (cmd_train_report.c). */
#ifndef MODA_ENGINE_CMD_TRAIN_INTERNAL_H
#define MODA_ENGINE_CMD_TRAIN_INTERNAL_H

#include "datasets/data_options.h"
#include "engine/run.h"
#include "engine/trainer.h"
#include "engine/tuner.h"

enum { STANDARD, MODA, MWT };
enum { FLIP_AUTO, FLIP_YES, FLIP_NO };
/* The words of the options of these names, NULL behind the last. */
extern const char *const moda_train_methods[], *const moda_train_flips[];
extern const char *const moda_train_precisions[];   /* as moda_precision */
extern const char *const moda_train_convolutions[]; /* as moda_convolution */
extern const char *const moda_train_efforts[];      /* as moda_tune_effort */

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
} moda_train_command;

/* Measured on full batches; the smaller last one and the test do the same. */
size_t moda_train_tuned_batch(const moda_train_command *c);

/* Everything needed to run it again, under the names of the options: c->config. */
moda_status moda_train_config(moda_train_command *c);
void moda_train_introduce(const moda_train_command *c);
void moda_train_say_epoch(const moda_train_command *c, const moda_train_record *r);
/* The last lines, the profile, and the file of --json. */
moda_status moda_train_report(moda_train_command *c);

#endif
