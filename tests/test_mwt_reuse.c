/* Reuse of MwT modules: every sub-task against composing its network, training its head and
 * evaluating it alone. */
#include "decompose/compose.h"
#include "decompose/metrics.h"
#include "decompose/reuse_journal.h"
#include "decompose/strip.h"
#include "decompose/subtask_head.h"
#include "engine/evaluate.h"
#include "tests/capture.h"
#include "tests/mwt_subject.h"
#include "tests/reuse_subject.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One thread: the networks are too small for more. */
static void prepare(void)
{
    reuse_prepare();
    omp_set_num_threads(1);
}

TestSuite(mwt_reuse, .init = prepare, .fini = test_folder_remove, .timeout = 120);

typedef struct subject {
    reuse_subject test;
    reuse_subject train; /* images alone */
    moda_reuse_training training;
} subject;

/* sample: sub-tasks per size, 0: all. */
static void make(subject *s, size_t sample)
{
    random_source source = random_seed(51);
    *s = (subject){.test = {.model = mwt_model()}};
    s->test.masks = mwt_random_masks(&source, s->test.model, 2);
    reuse_draw_images(&s->test, 120, 5);
    s->train.model = s->test.model;
    reuse_draw_images(&s->train, 150, 6);
    reuse_finish(&s->test, sample);
    s->training = (moda_reuse_training){&s->train.images, 3, 11, 0};
    s->test.options.training = &s->training;
}

static void discard(subject *s)
{
    s->train.model = NULL;
    reuse_discard(&s->train);
    reuse_discard(&s->test);
}

/* The network of sub-task t, made alone. */
static moda_model *compose(const subject *s, size_t t)
{
    moda_model *plain = NULL, *trunk = NULL, *composed = NULL;
    moda_subtask_head head = {0};
    size_t classes[6];
    const size_t n = moda_subtask_size(s->test.subtasks, t);
    for (size_t i = 0; i < n; i++) classes[i] = moda_subtask_outputs(s->test.subtasks, t)[i];
    reuse_must(moda_model_strip(s->test.model, &plain));
    reuse_must(moda_compose(plain, s->test.masks, classes, n, &trunk));
    reuse_must(moda_subtask_head_learn(trunk, classes, n, &s->train.images, "drawn",
                                       s->training.epochs, s->training.seed, &head));
    reuse_must(moda_subtask_head_attach(trunk, &head, classes, &composed));
    cr_assert(eq(sz, composed->net->classes, n));
    cr_assert(eq(sz, composed->parameters.trainable,
                 trunk->parameters.trainable + moda_subtask_head_parameters(6, n)));
    moda_subtask_head_free(&head);
    moda_model_destroy(trunk);
    moda_model_destroy(plain);
    return composed;
}

static moda_evaluation evaluate(const moda_model *model, const moda_images *images)
{
    moda_runner *runner = NULL;
    moda_evaluation result;
    reuse_must(moda_runner_create(model, 32, NULL, NULL, &runner));
    reuse_must(moda_evaluate(moda_runner_executor(runner), model, images, NULL, &result));
    moda_runner_destroy(runner);
    return result;
}

Test(mwt_reuse, agrees_with_composing_every_network_alone)
{
    subject s;
    size_t differ = 0, other = 0;
    make(&s, 0);
    moda_reuse *r = reuse_run(&s.test);
    cr_assert(eq(sz, r->count, 57));
    moda_model *plain = NULL;
    reuse_must(moda_model_strip(s.test.model, &plain));
    cr_assert(eq(sz, r->model_parameters, plain->parameters.trainable));
    cr_assert(lt(sz, r->model_parameters, s.test.model->parameters.trainable), "without the masks");
    for (size_t t = 0; t < r->count; t += 4) {
        moda_model *composed = compose(&s, t);
        const moda_evaluation e = evaluate(composed, &s.test.images);
        const moda_reuse_row *row = &r->rows[t];
        cr_assert(eq(sz, row->samples, e.samples), "sub-task %zu", t);
        /* two ways to the same numbers: a sample between two classes may fall on either side */
        const size_t away =
            row->composed > e.correct ? row->composed - e.correct : e.correct - row->composed;
        cr_assert(le(sz, away, 1), "sub-task %zu: %zu right, alone %zu", t, row->composed,
                  e.correct);
        differ += away, other += row->composed != row->modular;
        cr_assert(eq(sz, row->parameters, composed->parameters.trainable), "sub-task %zu", t);
        cr_assert(eq(u64, row->flops, moda_network_flops(composed->net)), "sub-task %zu", t);
        moda_model_destroy(composed);
    }
    cr_assert(le(sz, differ, 2), "%zu samples differ", differ);
    cr_assert(lt(sz, 3, other), "composed and modular accuracy are the same: this proves nothing");
    moda_model_destroy(plain);
    moda_reuse_destroy(r);
    discard(&s);
}

static void check_same(const moda_reuse *a, const moda_reuse *b)
{
    cr_assert(eq(sz, a->count, b->count));
    for (size_t t = 0; t < a->count; t++)
        cr_assert(eq(sz, a->rows[t].composed, b->rows[t].composed), "sub-task %zu", t);
}

/* In blocks of a few sub-tasks, and after having been cut short. */
Test(mwt_reuse, blocks_and_journals_change_nothing)
{
    subject s;
    make(&s, 3);
    moda_reuse *once = reuse_run(&s.test);
    s.training.bytes = 20000;
    s.test.options.journal = test_path("a.jsonl");
    moda_reuse *blocks = reuse_run(&s.test);
    check_same(once, blocks);
    char *whole = test_read(s.test.options.journal);
    const size_t length = strlen(whole), cuts[] = {length / 3, length - 2};
    for (size_t i = 0; i < 2; i++) {
        FILE *f = fopen(s.test.options.journal, "wb");
        fwrite(whole, 1, cuts[i], f);
        fclose(f);
        moda_reuse *again = reuse_run(&s.test);
        cr_assert(again->resumed > 0 && again->resumed < again->total, "%zu", again->resumed);
        check_same(once, again);
        moda_reuse_destroy(again);
    }
    free(whole);
    moda_reuse_destroy(blocks);
    moda_reuse_destroy(once);
    discard(&s);
}

static void refuse(const subject *s, moda_status code, const char *word)
{
    moda_reuse *r = NULL;
    cr_assert(eq(int, moda_reuse_run(&s->test.options, &r), code), "%s", moda_last_error());
    cr_assert(strstr(moda_last_error(), word) != NULL, "%s", moda_last_error());
    cr_assert(strchr(moda_last_error(), '\n') == NULL, "%s", moda_last_error());
}

Test(mwt_reuse, other_training_and_missing_classes_are_refused)
{
    subject s;
    make(&s, 3);
    s.test.options.training = NULL;
    refuse(&s, MODA_ERR_ARG, "training images");
    s.test.options.training = &s.training;
    s.test.options.journal = test_path("b.jsonl");
    moda_reuse_destroy(reuse_run(&s.test));
    s.training.epochs = 4;
    refuse(&s, MODA_ERR_FORMAT, "heads that learned");
    s.training.epochs = 3;
    s.train.images.pixels[5] ^= 1;
    refuse(&s, MODA_ERR_FORMAT, "heads that learned");
    s.test.options.journal = NULL;
    for (size_t i = 0; i < s.train.images.n; i++)
        if (s.train.images.labels[i] == 2) s.train.images.labels[i] = 3;
    refuse(&s, MODA_ERR_ARG, "class 2 class c has no training image");
    discard(&s);
}
