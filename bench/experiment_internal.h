/* bench/experiment_internal.h - what the files of moda experiment share: what a study is, the plan
 * that it
 * makes, and doing one item of it.
 *
 * Words of a command that begin with "@/" stand for files below the study's folder, so that the
 * folder
 * can be moved. */
#ifndef MODA_BENCH_EXPERIMENT_INTERNAL_H
#define MODA_BENCH_EXPERIMENT_INTERNAL_H

#include "base/json.h"
#include "base/options.h"
#include "bench/experiment.h"
#include "bench/experiment_published.h"
#include "bench/experiment_table.h"
#include "losses/modular.h"

#define MODA_STUDY_TAU 0.9 /* of modules, where it is not what is studied */

typedef struct moda_study_plan moda_study_plan;

/* ---- a study ---- */

typedef struct moda_study {
    const char *name, *title;
    const char *models, *models_full; /* usual ones */
    const moda_study_column *columns;
    size_t column_count;
    moda_status (*plan)(moda_study_plan *plan);
    /* A row for whatever the plan has; figures that are not there yet leave cells empty. */
    moda_status (*collect)(const moda_study_plan *plan, moda_study_table *table);
    const char *note; /* for Markdown, below the table; may be NULL */
} moda_study;

extern const moda_study moda_study_accuracy, moda_study_compactness; /* experiment_accuracy.c */
extern const moda_study moda_study_tau;                              /* experiment_tau.c */
extern const moda_study moda_study_weights;                          /* experiment_weights.c */
extern const moda_study moda_study_lookalike;                        /* experiment_lookalike.c */
extern const moda_study moda_study_replacement;                      /* experiment_replacement.c */

/* ---- its plan ---- */

/* A training, or a command that makes something of one. */
typedef struct moda_study_item {
    char *run;  /* name of the training's folder, or the network's if it needs no training */
    char *name; /* "train"; of a step: results/RUN/NAME.json */
    const moda_command *command;
    json_t *words;          /* behind the command's name, but for the team's and --json */
    json_t *wish;           /* of a training: what its config.json must hold; NULL: a step */
    json_t *models;         /* of a step: names of the runs whose models it reads */
    json_t *figures;        /* of a step that is done */
    const char *model;      /* the network, borrowed from the plan */
    double trained, passed; /* images forward and backward, forward only: what it costs */
    double headed;          /* images that heads of sub-tasks learn from, once per epoch */
    bool shared;            /* these two are the most: sub-tasks share work as modules are alike */
    double seconds;         /* beside these */
    bool failed;            /* its training diverged, now */
    char *taken;            /* of a training, in a dry run: the folder of --use that it would be */
} moda_study_item;

struct moda_study_plan {
    const moda_study *study;
    const moda_experiment_options *options;
    bool dry;   /* only looks: moda_study_begin() makes and links nothing */
    char *text; /* of models */
    const char **models;
    size_t model_count;
    moda_study_item *items; /* in the order of doing */
    size_t count, capacity;
    json_t *settings;  /* of study.json */
    json_t *checksums; /* of models, by run; as they are found */
    /* of the data */
    size_t train_images, test_images, classes, channels, image_size;
    char **class_names;
};

MODA_MUST_USE moda_status moda_study_find(const char *name, const moda_study **study);

/* Opens the data to see what they are, and has the study make its list. */
MODA_MUST_USE moda_status moda_plan_create(const moda_experiment_options *options,
                                           moda_study_plan **plan);
void moda_plan_destroy(moda_study_plan *plan);

/* Epochs and sub-tasks of each size, as asked for, or the usual ones of this network. */
size_t moda_plan_epochs(const moda_study_plan *plan, const char *model);
size_t moda_plan_sample(const moda_study_plan *plan, const char *model);

/* A training that is wanted; zeroes are moda train's defaults. */
typedef struct moda_study_train {
    const char *model;
    const char *method;
    moda_modular_weights weights; /* of method moda */
    size_t epochs;                /* moda_plan_epochs() */
    moda_sizes classes;           /* only samples of these; n = 0: all */
    bool relabel;                 /* and only outputs for these */
    double per_class;             /* this share of the training samples; 0: all */
    bool plain;                   /* not augmented */
    moda_sizes keep_epochs;       /* models of these are wanted, too */
} moda_study_train;
#define MODA_STUDY_WEIGHTS ((moda_modular_weights){1, 1, 0.3}) /* moda train's */

/* Its folder's name: network, method, and the weights that are not usual. Free() it; NULL when out
 * of
 * memory. */
char *moda_plan_run_name(const moda_study_train *train);
/* "0,3,5", to be freed; NULL when out of memory. */
char *moda_plan_list(moda_sizes numbers);
/* The network's part of that: without the folder and the ".net" of a description's file. */
char *moda_plan_short(const char *model);
/* Adds it, unless the plan has it. *run is its name, the plan's. */
MODA_MUST_USE moda_status moda_plan_train(moda_study_plan *plan, const moda_study_train *train,
                                          const char **run);
/* "vgg16: 8 epochs, 5 sub-tasks of each size at most; lenet5: 200 epochs": every training's epochs,
 * and sub-tasks where networks are composed. Free() it; NULL when out of memory. */
char *moda_plan_lengths(const moda_study_plan *plan);
/* study.json's settings for people's programs: null where networks have their own "epochs" and "sample",
 * and "trainings": [{"run", "epochs", "sample"}], sample null where nothing is composed. New
 * reference; NULL when out of memory. */
json_t *moda_plan_settings(const moda_study_plan *plan);
/* An item of the plan, NULL if it has none like that; and a new one, which takes words over also
 * when it
 * fails: NULL when out of memory. Both stay where they are until the next one is added. */
moda_study_item *moda_plan_find(const moda_study_plan *plan, const char *run, const char *name);
moda_study_item *moda_plan_add(moda_study_plan *plan, const char *run, const char *name,
                               const moda_command *command, json_t *words);
/* Adds a step of run, which reads that run's model and other's (NULL: no other). format is for its
 * words, '|' between them; only those of the format itself separate. Adds nothing where the plan has
 * the
 * step. Returns NULL when out of memory, else the item, valid until the next one is added. */
moda_study_item *moda_plan_step(moda_study_plan *plan, const char *run, const char *other,
                                const char *name, const moda_command *command, const char *format,
                                ...) __attribute__((format(printf, 6, 7)));
/* What all studies make of a training: accuracy by class ("eval") and modules at MODA_STUDY_TAU
 * ("decompose"). */
MODA_MUST_USE moda_status moda_plan_modules(moda_study_plan *plan, const char *run);
/* And most: a training, that, and composed networks of the modules ("reuse"). */
MODA_MUST_USE moda_status moda_plan_judged(moda_study_plan *plan, const moda_study_train *train);
/* Images out of so many of all classes that all those networks together are run on, were nothing
 * shared: for estimates. What is shared is known once there are modules. */
double moda_plan_reuse_images(const moda_study_plan *plan, size_t sample, size_t images);

/* ---- what came out ---- */

/* The figures of a step, borrowed; NULL if they are not there. */
const json_t *moda_plan_figures(const moda_study_plan *plan, const char *run, const char *name);
/* A number below keys, as in "mean_over_sizes.composed"; NaN if it is not there. */
double moda_figure(const json_t *figures, const char *keys);
/* Those of a training's step, as moda_plan_figures(). Fails: MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_study_figures_of(const moda_study_plan *plan,
                                                const moda_study_train *train, const char *name,
                                                const json_t **figures);
/* Whether the plan has that training. */
bool moda_study_has(const moda_study_plan *plan, const moda_study_train *train);
/* Columns accuracy, size, overlap, flops, subtasks, reuse and whole, of what moda_plan_judged() added; and
 * published_size, published_overlap, published_reuse. */
MODA_MUST_USE moda_status moda_study_fill_judged(const moda_study_plan *plan,
                                                 const moda_study_train *train, json_t *row);
void moda_study_fill_published(const moda_published *published, json_t *row);

/* ---- doing it ---- */

/* "DIR/rest" for "@/rest", a copy of others; NULL when out of memory. */
char *moda_plan_path(const moda_study_plan *plan, const char *word);
/* The command line of an item, for people. NULL when out of memory. */
char *moda_item_line(const moda_study_plan *plan, const moda_study_item *item);
/* Runs its command; json (NULL: none) is the file for its figures. */
MODA_MUST_USE moda_status moda_item_call(const moda_study_plan *plan, const moda_study_item *item,
                                         const char *json);

/* Whether DIR, if it is there, is this study's. Fails: MODA_ERR_ARG (it is not, or has other
 * settings). */
MODA_MUST_USE moda_status moda_study_check(const moda_study_plan *plan);
/* Makes DIR, looks whether it is this study's, and links the runs of --use into it; of a dry run,
 * whether that could be done. */
MODA_MUST_USE moda_status moda_study_begin(moda_study_plan *plan);
/* Whether a training is done. Fails: MODA_ERR_ARG when its folder is of another training. */
MODA_MUST_USE moda_status moda_train_done(const moda_study_plan *plan, const moda_study_item *item,
                                          bool *done);
/* Of one that is done, but may have been killed right behind its model: moda_run_finish(). Nothing where
 * it is a link. */
MODA_MUST_USE moda_status moda_train_finish(const moda_study_plan *plan,
                                            const moda_study_item *item);
/* Whether a step is done; then it has its figures. */
MODA_MUST_USE moda_status moda_step_done(moda_study_plan *plan, moda_study_item *item, bool *done);
/* Does what is not done. */
MODA_MUST_USE moda_status moda_item_do(moda_study_plan *plan, moda_study_item *item);

/* Compares a config.json with the wish for it. *key is the first key that differs, NULL if none. */
void moda_config_compare(const json_t *wish, const json_t *config, const char **key);

#endif
