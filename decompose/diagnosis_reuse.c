/* decompose/diagnosis_reuse.c - reuse accuracy beside the whole model's. */
#include "decompose/diagnosis_internal.h"
#include "decompose/pick_images.h"
#include "decompose/subtasks.h"
#include <math.h>
#include <stdlib.h>

/* The classes that lose most, on the samples of all sub-tasks that have them. */
static moda_status write_classes(FILE *f, const moda_model *model, const moda_reuse *r)
{
    moda_status st = MODA_OK;
    const size_t classes = model->net->classes;
    double *loss = NULL;
    size_t best[MODA_DIAGNOSIS_NAMED];
    MODA_ALLOC(loss, classes * sizeof *loss);
    for (size_t k = 0; k < classes; k++) {
        const moda_reuse_class *c = &r->classes[k];
        if (c->samples) loss[k] = ((double)c->modular - (double)c->composed) / (double)c->samples;
    }
    const size_t n = moda_diagnosis_largest(classes, loss, 0, best);
    for (size_t i = 0; i < n; i++) {
        fprintf(f, "%s ", i ? "," : "; most lose");
        moda_diagnosis_class(f, model, best[i]);
        fprintf(f, " (%.1f points)", 100 * loss[best[i]]);
    }
out:
    free(loss);
    return st;
}

/* The layers of which least is kept, mean over the classes. */
static moda_status write_layers(FILE *f, const moda_model *model, const moda_masks *masks)
{
    moda_status st = MODA_OK;
    const moda_class_tables *t = &masks->shape;
    double *dropped = NULL;
    size_t best[MODA_DIAGNOSIS_NAMED];
    MODA_ALLOC(dropped, t->layers * sizeof *dropped);
    for (size_t l = 0; l < t->layers; l++) {
        size_t kept = 0;
        for (size_t i = 0; i < t->classes * t->units[l]; i++)
            kept += masks->values[t->offset[l] + i];
        dropped[l] = 1 - (double)kept / (double)(t->classes * t->units[l]);
    }
    const size_t n = moda_diagnosis_largest(t->layers, dropped, 0, best);
    for (size_t i = 0; i < n; i++)
        fprintf(f, "%s %s (%.1f %%)", i ? "," : "; least is kept of",
                moda_diagnosis_layer(model, best[i]), 100 * (1 - dropped[best[i]]));
out:
    free(dropped);
    return st;
}

moda_status moda_diagnose_reuse(moda_diagnosis *diagnosis, const moda_model *model,
                                const moda_masks *masks, const moda_reuse *r)
{
    moda_status st = MODA_OK;
    const double loss = r->by_size.modular - r->by_size.composed;
    moda_diagnosis_line line = {0};
    if (!moda_diagnosis_judge(diagnosis, MODA_SIGNATURE_REUSE, loss)) goto out;
    MODA_TRY(moda_diagnosis_line_open(&line));
    fprintf(line.stream,
            "reuse accuracy %.4f (%zu sub-tasks, up to %zu images) is %.1f points under the whole "
            "model's %.4f",
            r->by_size.composed, r->count, r->rows[r->count - 1].samples, 100 * loss,
            r->by_size.modular);
    MODA_TRY(write_classes(line.stream, model, r));
    MODA_TRY(write_layers(line.stream, model, masks));
    fprintf(line.stream,
            masks->shape.mwt
                ? ": tau is too high (now %g), or training was too short: modules are cut without "
                  "the masks, which have to be near 0 or 1"
                : ": tau or gamma is too high: lower tau (now %g), or train with a smaller gamma",
            masks->tau);
    MODA_TRY(moda_diagnosis_add(diagnosis, MODA_SIGNATURE_REUSE, &line));
out:
    moda_diagnosis_line_drop(&line);
    return st;
}

/* ---- the sample ---- */

/* Every so many-th image, so that files sorted by class give all classes. */
static moda_status draw_images(const moda_images *all, moda_images *sample)
{
    moda_status st = MODA_OK;
    const size_t n = all->n < MODA_DIAGNOSIS_IMAGES ? all->n : MODA_DIAGNOSIS_IMAGES;
    uint32_t *list = NULL;
    MODA_ALLOC(list, n * sizeof *list);
    for (size_t i = 0; i < n; i++) list[i] = (uint32_t)(i * all->n / n);
    MODA_TRY(moda_images_pick(all, list, n, sample));
out:
    free(list);
    return st;
}

/* outputs [*n] of the model that have an image. */
static size_t find_outputs(const moda_model *model, const moda_images *images, size_t *outputs)
{
    size_t n = 0;
    for (size_t k = 0; k < model->net->classes; k++)
        for (size_t i = 0; i < images->n; i++)
            if (images->labels[i] == model->class_ids[k]) {
                outputs[n++] = k;
                break;
            }
    return n;
}

moda_status moda_diagnose_reuse_sample(moda_diagnosis *diagnosis, const moda_model *model,
                                       const moda_masks *masks, const moda_images *images,
                                       const char *source, size_t batch_size)
{
    moda_status st = MODA_OK;
    moda_images sample = {0};
    moda_subtasks *subtasks = NULL;
    moda_reuse *r = NULL;
    size_t *outputs = NULL;
    MODA_TRY(draw_images(images, &sample));
    MODA_ALLOC(outputs, model->net->classes * sizeof *outputs);
    const size_t n = find_outputs(model, &sample, outputs);
    diagnosis->not_judged[MODA_SIGNATURE_REUSE] = "fewer than two classes with test images";
    if (n < 2) goto out;
    const moda_subtask_choice choice = {outputs, n, {0}, MODA_DIAGNOSIS_SUBTASKS, 0};
    MODA_TRY(moda_subtasks_choose(&choice, &subtasks));
    const moda_reuse_options options = {.model = model,
                                        .masks = masks,
                                        .images = &sample,
                                        .source = source,
                                        .subtasks = subtasks,
                                        .batch_size = batch_size,
                                        .label = "reuse of some sub-tasks"};
    MODA_TRY(moda_reuse_run(&options, &r));
    MODA_TRY(moda_diagnose_reuse(diagnosis, model, masks, r));
out:
    moda_reuse_destroy(r);
    moda_subtasks_destroy(subtasks);
    free(outputs);
    moda_images_free_picked(&sample);
    return st;
}
