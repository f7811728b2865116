#include "decompose/sweep.h"
#include "base/file.h"
#include "base/table.h"
#include "decompose/checksum.h"
#include "decompose/decomposition.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* What the decomposition's masks were made with; the published share where they do not say. */
static moda_status own_min_active(const moda_sweep_options *o, double *min_active)
{
    moda_status st = MODA_OK;
    moda_masks *masks = NULL;
    char *path = moda_format("%s/masks.safetensors", o->directory);
    *min_active = o->min_active;
    MODA_CHECK(path, MODA_ERR_NOMEM, "out of memory: %s", o->directory);
    if (!isnan(*min_active)) goto out;
    *min_active = MODA_MIN_ACTIVE;
    if (!moda_is_file(path)) goto out;
    MODA_TRY(moda_masks_load(path, o->model->net, &masks));
    if (!isnan(masks->min_active)) *min_active = masks->min_active;
out:
    free(path);
    moda_masks_destroy(masks);
    return st;
}

static moda_status load_rates(const moda_sweep_options *o, moda_rates **rates)
{
    moda_status st = MODA_OK;
    moda_rates *r = NULL;
    char *path = moda_format("%s/rates.safetensors", o->directory);
    MODA_CHECK(path, MODA_ERR_NOMEM, "out of memory: %s", o->directory);
    MODA_TRY(moda_rates_load(path, o->model->net, &r));
    MODA_CHECK(r->weights == 0 || r->weights == moda_model_checksum(o->model), MODA_ERR_FORMAT,
               "%s: measured on other weights than those of the model beside it: decompose the "
               "model again",
               path);
    *rates = r, r = NULL;
out:
    moda_rates_destroy(r);
    free(path);
    return st;
}

static moda_status judge(const moda_sweep_options *o, const moda_masks *masks, const char *journal,
                         const char *label, moda_sweep_row *row)
{
    moda_status st = MODA_OK;
    moda_reuse *reuse = NULL;
    const moda_reuse_options options = {.model = o->model,
                                        .masks = masks,
                                        .training = o->training,
                                        .standard = o->standard,
                                        .images = o->images,
                                        .source = o->source,
                                        .subtasks = o->subtasks,
                                        .batch_size = o->batch_size,
                                        .journal = journal,
                                        .label = o->display ? label : NULL};
    MODA_TRY(moda_reuse_run(&options, &reuse));
    row->reuse = reuse->by_size, row->reuse_by_task = reuse->by_task;
out:
    moda_reuse_destroy(reuse);
    return st;
}

moda_status moda_sweep_tau(const moda_sweep_options *o, double tau, moda_sweep_row *row)
{
    moda_status st = MODA_OK;
    moda_rates *rates = NULL;
    moda_masks *masks = NULL;
    moda_decomposition *d = NULL;
    double min_active;
    char *folder = moda_format("%s/sweep", o->directory);
    char *journal = moda_format("%s/sweep/tau-%.15g.jsonl", o->directory, tau);
    char *label = moda_format("tau %g", tau);
    MODA_CHECK(folder && journal && label, MODA_ERR_NOMEM, "out of memory: %s", o->directory);
    MODA_TRY(moda_make_directory(folder));
    MODA_TRY(own_min_active(o, &min_active));
    MODA_TRY(load_rates(o, &rates));
    MODA_TRY(moda_masks_from_rates(o->model->net, rates, tau, min_active, &masks));
    MODA_TRY(moda_decomposition_measure(o->model, masks, &d));
    row->tau = tau;
    row->size = d->mean_size, row->overlap = d->mean_overlap, row->flops = d->mean_flops;
    MODA_TRY(judge(o, masks, journal, label, row));
out:
    if (st != MODA_OK) st = moda_fail_context(st, "tau %g", tau);
    moda_decomposition_destroy(d);
    moda_masks_destroy(masks);
    moda_rates_destroy(rates);
    free(folder);
    free(journal);
    free(label);
    return st;
}
