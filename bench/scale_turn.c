/* bench/scale_turn.c - one process of moda bench turn --profile, and what a point takes from its
 * figures. */
#include "bench/scale_internal.h"
#include "bench/turn_internal.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *text(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));
    return value ? value : "";
}

/* ---- parts ---- */

static moda_scale_part *find(moda_scale_part *parts, size_t count, const json_t *part)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(parts[i].layer, text(part, "layer")) == 0 &&
            strcmp(parts[i].pass, text(part, "pass")) == 0)
            return &parts[i];
    return NULL;
}

/* Parts of one layer and pass become one. */
static moda_status sum_parts(const json_t *list, moda_scale_part **parts, size_t *count)
{
    moda_status st = MODA_OK;
    moda_scale_part *sums = NULL;
    size_t n = 0, i;
    const json_t *part;
    MODA_ALLOC(sums, json_array_size(list) * sizeof *sums);
    json_array_foreach(list, i, part)
    {
        moda_scale_part *sum = find(sums, n, part);
        const double flops = moda_turn_number(part, "flops");
        if (!sum) {
            sum = &sums[n++];
            snprintf(sum->layer, sizeof sum->layer, "%s", text(part, "layer"));
            snprintf(sum->pass, sizeof sum->pass, "%s", text(part, "pass"));
        }
        if (!*sum->kind || (flops > 0 && !(sum->flops > 0)))
            snprintf(sum->kind, sizeof sum->kind, "%s", text(part, "kind"));
        sum->flops += flops;
        sum->bytes += moda_turn_number(part, "bytes");
        sum->seconds += moda_turn_number(part, "seconds");
    }
    *parts = sums, *count = n;
out:
    return st;
}

/* The first turn says which parts there are; others have the same. */
static moda_status take_parts(moda_scale_point *p, const json_t *list)
{
    moda_status st = MODA_OK;
    moda_scale_part *sums = NULL;
    size_t n = 0;
    MODA_TRY(sum_parts(list, &sums, &n));
    MODA_CHECK(n > 0, MODA_ERR_INTERNAL, "moda bench turn: a profile without parts");
    if (!p->parts) {
        MODA_ALLOC(p->parts, n * sizeof *p->parts);
        memcpy(p->parts, sums, n * sizeof *sums);
        p->part_count = n;
    }
    MODA_CHECK(n == p->part_count, MODA_ERR_INTERNAL,
               "moda bench turn: %zu layers and passes, %zu before", n, p->part_count);
    for (size_t i = 0; i < n; i++) MODA_TRY(moda_timings_add(&p->parts[i].turns, sums[i].seconds));
out:
    free(sums);
    return st;
}

/* ---- a turn ---- */

/* A step's seconds without interruptions. */
static double last_turn(const moda_scale_point *p)
{
    double sum = p->rests.seconds[p->rests.n - 1];
    for (size_t i = 0; i < p->part_count; i++)
        sum += p->parts[i].turns.seconds[p->parts[i].turns.n - 1];
    return sum;
}

static moda_status take(const moda_scale_curve *c, moda_scale_point *p, const json_t *figures)
{
    moda_status st = MODA_OK;
    const json_t *profile = json_object_get(figures, "profile");
    const double bf16 = moda_turn_number(figures, "peak_flops_bf16");
    const bool f32 = strcmp(c->precision, "f32") == 0 || isnan(bf16);
    MODA_TRY(moda_turn_take_seconds(figures, &p->timings));
    MODA_CHECK(profile, MODA_ERR_INTERNAL, "moda bench turn: figures without profile");
    MODA_TRY(take_parts(p, json_object_get(profile, "parts")));
    MODA_TRY(moda_timings_add(&p->rests, moda_turn_number(figures, "between_parts_seconds")));
    MODA_TRY(moda_timings_add(&p->undisturbed, last_turn(p)));
    p->peak_flops = fmax(p->peak_flops, f32 ? moda_turn_number(figures, "peak_flops") : bf16);
    p->bandwidth = fmax(p->bandwidth, moda_turn_number(figures, "peak_bandwidth"));
    moda_turn_team(figures, NULL, &p->nodes, NULL);
out:
    return st;
}

static moda_turn_call call_of(const moda_scale_bench *b, const moda_scale_curve *c,
                              const moda_scale_point *p)
{
    return (moda_turn_call){.program = b->program,
                            .model = c->model,
                            .method = c->method,
                            .precision = c->precision,
                            .tune = strcmp(c->precision, "auto") == 0 ? "quick" : "off",
                            .bind = p->bind,
                            .batch = p->batch,
                            .steps = b->steps,
                            .threads = p->threads,
                            .seed = b->seed,
                            .smt = b->smt,
                            .profiled = true,
                            .tuning = c->tuning};
}

moda_status moda_scale_turn(const moda_scale_bench *b, const moda_scale_curve *c,
                            moda_scale_point *p)
{
    moda_status st = MODA_OK;
    json_t *figures = NULL;
    const moda_turn_call call = call_of(b, c, p);
    MODA_TRY(moda_turn(&call, &figures));
    MODA_TRY(take(c, p, figures));
out:
    json_decref(figures);
    return st;
}

moda_status moda_scale_tune(const moda_scale_bench *b, moda_scale_curve *c)
{
    moda_status st = MODA_OK;
    json_t *figures = NULL;
    const moda_scale_point *most = &c->points[c->count - 1];
    moda_turn_call call = call_of(b, c, most);
    call.batch = b->batch, call.steps = MODA_TURN_LEAST, call.profiled = false;
    MODA_TRY(moda_turn(&call, &figures));
    c->tuning = json_incref(json_object_get(figures, "tuning"));
    c->tuned_with = most->threads;
    MODA_CHECK(c->tuning, MODA_ERR_INTERNAL, "moda bench turn: figures without tuning");
out:
    json_decref(figures);
    return st;
}
