/* bench/nightly_learn.c - a small training from start to end, as a user would run it. Its figures
 * repeat to the last bit on the same machine with the same build. */
#include "base/file.h"
#include "bench/nightly_internal.h"
#include "bench/temporary_internal.h"
#include "bench/turn_internal.h"
#include <stdio.h>
#include <stdlib.h>

enum { MOST_WORDS = 40 };

typedef struct learner {
    const moda_nightly *night;
    moda_temporary *folder;
    char *model, *modules; /* in it */
} learner;

static moda_status make_folder(learner *l)
{
    moda_status st = MODA_OK;
    MODA_TRY(moda_temporary_make("moda-nightly", &l->folder));
    l->model = moda_format("%s/model.safetensors", moda_temporary_path(l->folder));
    l->modules = moda_format("%s/modules", moda_temporary_path(l->folder));
    MODA_CHECK(l->model && l->modules, MODA_ERR_NOMEM, "out of memory");
out:
    return st;
}

/* A command with the night's options behind its own. */
static moda_status call(const learner *l, const char *const *own, json_t **figures)
{
    const char *words[MOST_WORDS];
    size_t n = 0;
    for (; *own; own++) words[n++] = *own;
    for (const char *const *w = l->night->words; *w; w++) words[n++] = *w;
    words[n] = NULL;
    return moda_turn_program(l->night->program, words, figures);
}

static moda_status train(const learner *l, const moda_nightly_subject *s, json_t **figures)
{
    const char *folder = moda_temporary_path(l->folder);
    char epochs[24], seed[24];
    snprintf(epochs, sizeof epochs, "%zu", s->slices);
    snprintf(seed, sizeof seed, "%zu", l->night->seed);
    const char *const words[] = {"train",        "--model", "lenet5",      "--data", s->what,
                                 "--epochs",     epochs,    "--seed",      seed,     "--out",
                                 folder,         "--tune",  "off",         "--lr",   "0.05",
                                 "--batch-size", "32",      "--per-class", "300",    NULL};
    return call(l, words, figures);
}

moda_status moda_nightly_learn(const moda_nightly *night, const moda_nightly_subject *s,
                               json_t **figures)
{
    moda_status st = MODA_OK;
    learner l = {.night = night};
    json_t *trained = NULL, *taken = NULL, *reused = NULL;
    MODA_TRY(make_folder(&l));
    MODA_TRY(train(&l, s, &trained));
    const char *const decompose[] = {"decompose", l.model, "--data",  s->what, "--tau",
                                     "0.9",       "--out", l.modules, NULL};
    MODA_TRY(call(&l, decompose, &taken));
    const char *const reuse[] = {"reuse", l.modules, "--data", s->what, "--sample",
                                 "5",     "--limit", "1000",   NULL};
    MODA_TRY(call(&l, reuse, &reused));
    const json_t *mean = json_object_get(reused, "mean_over_sizes");
    *figures = json_pack("{s:o s:o s:o s:o}", "accuracy",
                         moda_json_number(moda_nightly_number(trained, "test_accuracy")), "reuse",
                         moda_json_number(moda_nightly_number(mean, "composed")), "size",
                         moda_json_number(moda_nightly_number(taken, "mean_size")), "overlap",
                         moda_json_number(moda_nightly_number(taken, "mean_overlap")));
    MODA_CHECK(*figures, MODA_ERR_NOMEM, "out of memory");
out:
    moda_temporary_remove(l.folder);
    free(l.model);
    free(l.modules);
    json_decref(trained);
    json_decref(taken);
    json_decref(reused);
    return st;
}
