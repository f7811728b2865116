/* tests/reuse_subject.c */
#include "tests/reuse_subject.h"
#include "base/log.h"
#include "base/rng.h"
#include "tests/capture.h"
#include "tests/formula.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdlib.h>

void reuse_prepare(void)
{
    moda_log_set_level(MODA_LOG_WARNING);
    test_folder();
}

void reuse_must(moda_status st)
{
    cr_assert(eq(int, st, MODA_OK), "%s", moda_last_error());
}

/* Pictures that differ by class, so that not every network answers the same for all of them. */
void reuse_draw_images(reuse_subject *s, size_t n, uint64_t seed)
{
    const moda_rng rng = moda_rng_make(seed, MODA_RNG_TEST, 1);
    const moda_shape in = s->model->net->input;
    const size_t plane = in.h * in.w, stride = in.c * plane, classes = s->model->net->classes;
    s->images = (moda_images){.n = n, .channels = in.c, .height = in.h, .width = in.w};
    s->images.pixels = malloc(n * stride);
    s->images.labels = malloc(n * sizeof *s->images.labels);
    for (size_t i = 0; i < n; i++) {
        const uint32_t k = (uint32_t)((i * 7 + i / 11) % classes);
        s->images.labels[i] = s->model->class_ids[k];
        for (size_t p = 0; p < stride; p++) {
            const double wave = sin((double)(p % plane) * 0.03 * (k + 1) + (double)i);
            s->images.pixels[i * stride + p] =
                (uint8_t)(127 + 60 * wave + 60 * (moda_rng_unit(rng, i * stride + p) - 0.5));
        }
    }
}

/* Masks that keep `share` of the channels, half of them the same ones for all classes, so that some
 * sub-tasks have layers in common and some have not; the first layer is the same for all. */
void reuse_draw_masks(reuse_subject *s, double share, uint64_t seed)
{
    const moda_rng rng = moda_rng_make(seed, MODA_RNG_TEST, 2);
    reuse_must(moda_masks_create(s->model->net, &s->masks));
    const moda_class_tables *t = &s->masks->shape;
    for (size_t l = 0; l < t->layers; l++)
        for (size_t c = 0; c < t->classes; c++)
            for (size_t u = 0; u < t->units[l]; u++) {
                const size_t at = t->offset[l] + c * t->units[l] + u, common = t->offset[l] + u;
                const bool own = l > 0 && moda_rng_unit(rng, 1000000 + at) < share / 3;
                s->masks->values[at] = u == 0 || own || moda_rng_unit(rng, common) < share / 2;
            }
    s->masks->tau = 0.9;
}

/* sample: sub-tasks per size, 0: all. */
void reuse_finish(reuse_subject *s, size_t sample)
{
    size_t outputs[16];
    for (size_t k = 0; k < s->model->net->classes; k++) outputs[k] = k;
    const moda_subtask_choice choice = {outputs, s->model->net->classes, {0}, sample, 0};
    reuse_must(moda_subtasks_choose(&choice, &s->subtasks));
    s->options = (moda_reuse_options){.model = s->model,
                                      .masks = s->masks,
                                      .images = &s->images,
                                      .source = "drawn",
                                      .subtasks = s->subtasks,
                                      .batch_size = 16};
}

void reuse_lenet(reuse_subject *s, size_t images, size_t sample)
{
    *s = (reuse_subject){.model = formula_model("lenet5", 10)};
    for (uint32_t k = 0; k < 10; k++) s->model->class_ids[k] = 3 + 2 * (k ^ 1); /* in no order */
    reuse_draw_images(s, images, 1);
    reuse_draw_masks(s, 0.6, 1);
    reuse_finish(s, sample);
}

void reuse_discard(reuse_subject *s)
{
    moda_subtasks_destroy(s->subtasks);
    moda_masks_destroy(s->masks);
    moda_model_destroy(s->model);
    free(s->images.pixels);
    free(s->images.labels);
}

moda_reuse *reuse_run(const reuse_subject *s)
{
    moda_reuse *r = NULL;
    reuse_must(moda_reuse_run(&s->options, &r));
    return r;
}
