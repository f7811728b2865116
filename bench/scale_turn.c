/* bench/scale_turn.c - one process of moda bench step --profile, and what a point takes from its figures. */
#include "bench/scale_internal.h"
#include "bench/turn_internal.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { NUMBER = 24 };

static double number(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

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
        const double flops = number(part, "flops");
        if (!sum) {
            sum = &sums[n++];
            snprintf(sum->layer, sizeof sum->layer, "%s", text(part, "layer"));
            snprintf(sum->pass, sizeof sum->pass, "%s", text(part, "pass"));
        }
        if (!*sum->kind || (flops > 0 && !(sum->flops > 0)))
            snprintf(sum->kind, sizeof sum->kind, "%s", text(part, "kind"));
        sum->flops += flops;
        sum->bytes += number(part, "bytes");
        sum->seconds += number(part, "seconds");
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
    MODA_CHECK(n > 0, MODA_ERR_INTERNAL, "moda bench step: a profile without parts");
    if (!p->parts) {
        MODA_ALLOC(p->parts, n * sizeof *p->parts);
        memcpy(p->parts, sums, n * sizeof *sums);
        p->part_count = n;
    }
    MODA_CHECK(n == p->part_count, MODA_ERR_INTERNAL,
               "moda bench step: %zu layers and passes, %zu before", n, p->part_count);
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
    const json_t *profile = json_object_get(figures, "profile"), *value;
    const json_t *team = json_object_get(figures, "team"), *seconds;
    size_t i;
    seconds = json_object_get(figures, "seconds");
    json_array_foreach(seconds, i, value)
        MODA_TRY(moda_timings_add(&p->timings, json_number_value(value)));
    MODA_CHECK(p->timings.n > 0 && profile, MODA_ERR_INTERNAL,
               "moda bench step: figures without seconds or profile");
    MODA_TRY(take_parts(p, json_object_get(profile, "parts")));
    MODA_TRY(moda_timings_add(&p->rests, number(figures, "between_parts_seconds")));
    MODA_TRY(moda_timings_add(&p->undisturbed, last_turn(p)));
    p->peak_flops = fmax(p->peak_flops, c->bf16 ? number(figures, "peak_flops_bf16")
                                                : number(profile, "peak_flops"));
    p->bandwidth = fmax(p->bandwidth, number(profile, "peak_bandwidth"));
    p->nodes = json_array_size(json_object_get(team, "nodes"));
out:
    return st;
}

moda_status moda_scale_turn(const moda_scale_bench *b, const moda_scale_curve *c,
                            moda_scale_point *p)
{
    moda_status st = MODA_OK;
    char batch[NUMBER], threads[NUMBER], steps[NUMBER], seed[NUMBER];
    json_t *figures = NULL;
    snprintf(batch, sizeof batch, "%zu", p->batch);
    snprintf(threads, sizeof threads, "%zu", p->threads);
    snprintf(steps, sizeof steps, "%zu", b->steps);
    snprintf(seed, sizeof seed, "%zu", b->seed);
    const char *const options[][2] = {{"--model", c->model},
                                      {"--batch-size", batch},
                                      {"--steps", steps},
                                      {"--method", c->modular ? "moda" : "standard"},
                                      {"--precision", c->bf16 ? "bf16" : "f32"},
                                      {"--threads", threads},
                                      {"--bind", p->bind},
                                      {"--seed", seed},
                                      {"--profile", b->smt ? "--smt" : NULL}};
    const char *words[3 + sizeof options / sizeof **options] = {"bench", "step"};
    memcpy(words + 2, options, sizeof options);
    MODA_TRY(moda_turn(b->program, words, &figures));
    MODA_TRY(take(c, p, figures));
out:
    json_decref(figures);
    return st;
}
