#include "decompose/sweep.h"
#include "base/file.h"
#include "decompose/decomposition.h"
#include <stdio.h>
#include <stdlib.h>

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
    moda_masks *masks = NULL;
    moda_decomposition *d = NULL;
    char *folder = moda_format("%s/sweep", o->directory);
    char *journal = moda_format("%s/sweep/tau-%.15g.jsonl", o->directory, tau);
    char *label = moda_format("tau %g", tau);
    MODA_CHECK(folder && journal && label, MODA_ERR_NOMEM, "out of memory: %s", o->directory);
    MODA_TRY(moda_make_directory(folder));
    MODA_TRY(moda_masks_from_rates(o->model->net, o->rates, tau, o->min_active, &masks));
    MODA_TRY(moda_decomposition_measure(o->model, masks, &d));
    row->tau = tau;
    row->size = d->mean_size, row->overlap = d->mean_overlap, row->flops = d->mean_flops;
    MODA_TRY(judge(o, masks, journal, label, row));
out:
    if (st != MODA_OK) st = moda_fail_context(st, "tau %g", tau);
    moda_decomposition_destroy(d);
    moda_masks_destroy(masks);
    free(folder);
    free(journal);
    free(label);
    return st;
}
