/* bench/infer_subjects.c - which networks moda bench infer measures. */
#include "base/file.h"
#include "bench/infer.h"
#include "decompose/compose.h"
#include "decompose/metrics.h"
#include "decompose/round.h"
#include "decompose/strip.h"
#include "engine/fold.h"
#include "engine/model_data.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Room for one more; *fresh is zeroed and counts already, so that moda_infer_free() frees it. */
static moda_status new_subject(moda_infer *m, const char *source, moda_infer_subject **fresh)
{
    moda_status st = MODA_OK;
    if (m->count == m->capacity) {
        const size_t capacity = m->capacity ? 2 * m->capacity : 16;
        moda_infer_subject *grown = realloc(m->subjects, capacity * sizeof *grown);
        MODA_CHECK(grown, MODA_ERR_NOMEM, "out of memory: %zu networks", capacity);
        m->subjects = grown, m->capacity = capacity;
    }
    moda_infer_subject *s = &m->subjects[m->count];
    *s = (moda_infer_subject){.round = 1, .reference = m->count};
    m->count++;
    MODA_ALLOC(s->timings, m->batches.n * sizeof *s->timings);
    MODA_ALLOC(s->summaries, m->batches.n * sizeof *s->summaries);
    MODA_ALLOC(s->works, m->batches.n * sizeof *s->works);
    MODA_CHECK((s->source = strdup(source)) != NULL, MODA_ERR_NOMEM, "out of memory");
    *fresh = s;
out:
    return st;
}

/* Gives the subject its network as it will run: *model, which it takes over, or that one folded. */
static moda_status set_model(const moda_infer *m, moda_infer_subject *s, moda_model **model)
{
    moda_status st = MODA_OK;
    s->parameters = (*model)->parameters.trainable;
    s->flops = moda_network_flops((*model)->net);
    if (m->fold)
        MODA_TRY(moda_fold(*model, &s->model));
    else
        s->model = *model, *model = NULL;
out:
    return st;
}

/* Random weights for a network that has none: time does not depend on them. */
static moda_status open_model(const char *spec, uint64_t seed, moda_model **model)
{
    moda_status st = MODA_OK;
    moda_net *net = NULL;
    if (moda_net_is_meant(spec)) {
        MODA_TRY(moda_net_open(spec, (moda_net_defaults){{3, 32, 32}, 10}, &net));
        MODA_TRY(moda_model_create(net, model)); /* takes the net, also when it fails */
        moda_model_init(*model, seed);
    } else
        MODA_TRY(moda_model_open(spec, (moda_net_defaults){{0, 0, 0}, 0}, model));
out:
    return st;
}

/* The same network once more, counting; beside: the subject that it is compared with. */
static moda_status add_counting(moda_infer *m, const char *spec, size_t beside)
{
    moda_status st = MODA_OK;
    moda_model *model = NULL;
    moda_infer_subject *s = NULL;
    MODA_TRY(open_model(spec, m->seed, &model));
    MODA_TRY(new_subject(m, spec, &s));
    MODA_CHECK((s->name = moda_format("%s, counting", model->net->name)) != NULL, MODA_ERR_NOMEM,
               "out of memory");
    s->counts = true, s->reference = beside;
    MODA_TRY(set_model(m, s, &model));
out:
    moda_model_destroy(model);
    return st;
}

moda_status moda_infer_add_model(moda_infer *m, const char *spec)
{
    moda_status st = MODA_OK;
    moda_model *model = NULL;
    moda_infer_subject *s = NULL;
    MODA_TRY(open_model(spec, m->seed, &model));
    MODA_TRY(new_subject(m, spec, &s));
    MODA_CHECK((s->name = strdup(model->net->name)) != NULL, MODA_ERR_NOMEM, "out of memory");
    if (!m->has_first) m->first = m->count - 1;
    m->has_first = true;
    s->reference = m->first;
    MODA_TRY(set_model(m, s, &model));
    if (m->count_too) MODA_TRY(add_counting(m, spec, m->count - 1));
out:
    moda_model_destroy(model);
    return st;
}

/* ---- decompositions ---- */

typedef struct decomposition {
    const char *directory;
    moda_model *model;
    moda_masks *masks;
    moda_rates *rates; /* only for rounding */
    size_t reference;  /* the model's subject */
} decomposition;

/* "classes 0,3,5" */
static char *name_of(const moda_infer_subject *s)
{
    char *name = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&name, &size);
    if (!f) return NULL;
    fputs(s->class_count == 1 ? "class" : "classes", f);
    for (size_t i = 0; i < s->class_count; i++) fprintf(f, "%s%zu", i ? "," : " ", s->classes[i]);
    if (s->round > 1) fprintf(f, ", rounded to %zu", s->round);
    moda_text_close(f, &name);
    return name;
}

/* The module of outputs [count]. */
static moda_status add_module(moda_infer *m, const decomposition *d, const size_t *outputs,
                              size_t count, size_t round)
{
    moda_status st = MODA_OK;
    moda_kept *kept = NULL;
    moda_model *module = NULL;
    moda_infer_subject *s = NULL;
    MODA_TRY(new_subject(m, d->directory, &s));
    s->reference = d->reference, s->round = round, s->class_count = count;
    MODA_ALLOC(s->classes, count * sizeof *s->classes);
    for (size_t i = 0; i < count; i++) s->classes[i] = d->model->class_ids[outputs[i]];
    MODA_CHECK((s->name = name_of(s)) != NULL, MODA_ERR_NOMEM, "out of memory");
    if (round > 1)
        MODA_TRY(
            moda_kept_rounded(d->model->net, d->masks, d->rates, outputs, count, round, &kept));
    else
        MODA_TRY(moda_kept_of_classes(d->model->net, d->masks, outputs, count, &kept));
    MODA_TRY(moda_compose_kept(d->model, d->masks, kept, outputs, count, &module));
    MODA_TRY(set_model(m, s, &module));
out:
    moda_kept_destroy(kept);
    moda_model_destroy(module);
    return st;
}

static moda_status add_set(moda_infer *m, const decomposition *d, const moda_sizes *set,
                           size_t round)
{
    moda_status st = MODA_OK;
    moda_sizes outputs = {0};
    MODA_ALLOC(outputs.values, set->n * sizeof *outputs.values);
    memcpy(outputs.values, set->values, set->n * sizeof *outputs.values);
    outputs.n = set->n;
    MODA_TRY(moda_model_outputs(d->model, "classes", &outputs));
    MODA_TRY(add_module(m, d, outputs.values, outputs.n, 1));
    if (round > 1) MODA_TRY(add_module(m, d, outputs.values, outputs.n, round));
out:
    free(outputs.values);
    return st;
}

/* Its network comes last, since modules are cut from it. */
static moda_status add_whole(moda_infer *m, decomposition *d)
{
    moda_status st = MODA_OK;
    moda_infer_subject *s = NULL;
    MODA_TRY(new_subject(m, d->directory, &s));
    d->reference = m->count - 1;
    MODA_CHECK((s->name = strdup(d->model->net->name)) != NULL, MODA_ERR_NOMEM, "out of memory");
out:
    return st;
}

moda_status moda_infer_add_decomposition(moda_infer *m, const char *directory,
                                         const moda_sizes *sets, size_t set_count, size_t round)
{
    moda_status st = MODA_OK;
    decomposition d = {.directory = directory};
    moda_model *plain = NULL;
    MODA_TRY(moda_decomposition_open(directory, &d.model, &d.masks));
    if (round > 1) MODA_TRY(moda_rates_open(directory, d.model, d.masks, &d.rates));
    MODA_TRY(moda_model_strip(d.model, &plain));
    if (plain) {
        moda_model_destroy(d.model);
        d.model = plain; /* modules of MwT run without masks, and are compared with that */
    }
    MODA_TRY(add_whole(m, &d));
    for (size_t k = 0; k < d.model->net->classes; k++) {
        MODA_TRY(add_module(m, &d, &k, 1, 1));
        if (round > 1) MODA_TRY(add_module(m, &d, &k, 1, round));
    }
    for (size_t i = 0; i < set_count; i++) MODA_TRY(add_set(m, &d, &sets[i], round));
    MODA_TRY(set_model(m, &m->subjects[d.reference], &d.model));
out:
    moda_rates_destroy(d.rates);
    moda_masks_destroy(d.masks);
    moda_model_destroy(d.model);
    return st;
}
