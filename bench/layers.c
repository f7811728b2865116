/* bench/layers.c - which rows there are, and running them. Trials need memory and are made one at a time: rows of
 * one trial stand together, and so do the trials of one network and type, which share a tuner. */
#include "bench/layers.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NOTHING_OPEN SIZE_MAX

/* ---- trials ---- */

static void close_trial(moda_layer_bench *b)
{
    moda_trial_close(b->trial);
    b->trial = NULL;
}

static void close_all(moda_layer_bench *b)
{
    close_trial(b);
    moda_tuner_destroy(b->tuner);
    b->tuner = NULL, b->open = NOTHING_OPEN;
}

static bool share_tuner(const moda_layer_group *a, const moda_layer_group *b)
{
    return a->net == b->net && a->precision == b->precision && a->batch == b->batch;
}

/* The group's trial becomes the one that is open. */
static moda_status open_group(moda_layer_bench *b, size_t group)
{
    moda_status st = MODA_OK;
    const moda_layer_group *g = &b->groups[group];
    if (b->trial && b->open == group) goto out;
    if (b->tuner && !share_tuner(g, &b->groups[b->open])) close_all(b);
    close_trial(b);
    if (!b->tuner) MODA_TRY(moda_tuner_create(g->net, g->batch, g->precision, &b->tuner));
    moda_tuner_draw(b->tuner, b->seed);
    MODA_TRY(moda_trial_open(b->tuner, g->layer, g->pass, &b->trial));
    b->open = group;
out:
    if (st != MODA_OK) close_all(b);
    return st;
}

/* ---- rows ---- */

static moda_status grow(void **items, size_t count, size_t *capacity, size_t size)
{
    moda_status st = MODA_OK;
    if (count == *capacity) {
        const size_t wanted = *capacity ? 2 * *capacity : 32;
        void *more = realloc(*items, wanted * size);
        MODA_CHECK(more, MODA_ERR_NOMEM, "out of memory: %zu rows", wanted);
        *items = more, *capacity = wanted;
    }
out:
    return st;
}

static moda_status add_row(moda_layer_bench *b, size_t group, size_t candidate)
{
    moda_status st = MODA_OK;
    const moda_layer_group *g = &b->groups[group];
    const moda_trial_way way = moda_trial_describe(b->trial, candidate);
    const double there = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    const double bytes = (double)way.operands + (double)way.scratch, gib = 1 << 30;
    char shape[MODA_PROBLEM_TEXT];
    MODA_CHECK(bytes < there, MODA_ERR_ARG,
               "%s needs %.1f GiB, this machine has %.1f: use a smaller batch or shape",
               moda_problem_text(&g->problem, shape), bytes / gib, there / gib);
    MODA_TRY(grow((void **)&b->rows, b->count, &b->capacity, sizeof *b->rows));
    moda_layer_row *r = &b->rows[b->count];
    *r =
        (moda_layer_row){.group = group,
                         .candidate = candidate,
                         .copies = way.copies,
                         .operands = way.operands,
                         .scratch = way.scratch,
                         .work = {2 * (double)g->batch * (double)moda_layer_flops(g->net, g->layer),
                                  (double)way.operands, way.type == MODA_DTYPE_BF16}};
    snprintf(r->algorithm, sizeof r->algorithm, "%s", way.algorithm);
    snprintf(r->implementation, sizeof r->implementation, "%s", way.implementation);
    b->count++;
out:
    return st;
}

static moda_layer_group *find_like(moda_layer_bench *b, const moda_layer_group *g)
{
    char text[MODA_PROBLEM_TEXT], other[MODA_PROBLEM_TEXT];
    moda_problem_text(&g->problem, text);
    for (size_t i = 0; i < b->group_count; i++) {
        moda_layer_group *o = &b->groups[i];
        if (o->net == g->net && o->pass == g->pass && o->precision == g->precision &&
            o->net->layers[o->layer].bias == g->net->layers[g->layer].bias &&
            strcmp(text, moda_problem_text(&o->problem, other)) == 0)
            return o;
    }
    return NULL;
}

/* A group and its rows. A layer that computes in f32 although bf16 is asked for has no rows in bf16. */
static moda_status add_group(moda_layer_bench *b, moda_layer_group g)
{
    moda_status st = MODA_OK;
    moda_layer_group *like = find_like(b, &g);
    if (like) {
        like->layers++;
        goto out;
    }
    MODA_TRY(grow((void **)&b->groups, b->group_count, &b->group_capacity, sizeof *b->groups));
    b->groups[b->group_count] = g;
    MODA_TRY(open_group(b, b->group_count));
    const bool bf16 = g.precision == MODA_PRECISION_BF16;
    if (moda_trial_describe(b->trial, 0).type != (bf16 ? MODA_DTYPE_BF16 : MODA_DTYPE_F32)) {
        close_all(b); /* which remembers the group */
        goto out;
    }
    b->group_count++;
    for (size_t i = 0; i < moda_trial_count(b->trial); i++)
        MODA_TRY(add_row(b, b->group_count - 1, i));
out:
    return st;
}

/* All passes of a layer in one type. */
static moda_status add_layer(moda_layer_bench *b, moda_layer_group g, bool all)
{
    moda_status st = MODA_OK;
    const bool first = g.net->layers[g.layer].input[0] == 0;
    for (moda_conv_pass p = 0; p < MODA_CONV_PASSES; p++) {
        g.pass = p;
        if (!b->passes[p] || (!all && first && p == MODA_CONV_BACKWARD_DATA)) continue;
        MODA_TRY(add_group(b, g));
    }
out:
    return st;
}

/* The network becomes the bench's, also after a failure. */
static moda_status keep_net(moda_layer_bench *b, moda_net *net)
{
    moda_status st = MODA_OK;
    moda_net **grown = realloc(b->nets, (b->net_count + 1) * sizeof *grown);
    if (!grown) moda_net_destroy(net);
    MODA_CHECK(grown, MODA_ERR_NOMEM, "out of memory: %zu networks", b->net_count + 1);
    b->nets = grown;
    b->nets[b->net_count++] = net;
out:
    return st;
}

moda_status moda_layer_bench_add(moda_layer_bench *b, const moda_problem *problem)
{
    moda_status st = MODA_OK;
    moda_net *net = NULL;
    moda_layer_group g = {.layer = 1, .layers = 1, .problem = *problem};
    g.batch = b->batch ? b->batch : problem->n ? problem->n : MODA_LAYER_BATCH;
    g.problem.n = g.batch;
    MODA_TRY(moda_problem_net(&g.problem, b->bias, &net));
    MODA_TRY(keep_net(b, net));
    g.net = net;
    for (int bf16 = 0; bf16 < 2; bf16++) {
        g.precision = bf16 ? MODA_PRECISION_BF16 : MODA_PRECISION_F32;
        if (bf16 ? b->bf16 : b->f32) MODA_TRY(add_layer(b, g, true));
    }
out:
    return st;
}

moda_status moda_layer_bench_add_model(moda_layer_bench *b, const char *name)
{
    moda_status st = MODA_OK;
    moda_net *net = NULL;
    const size_t before = b->group_count;
    MODA_TRY(moda_net_open(name, (moda_net_defaults){{3, 32, 32}, 10}, &net));
    MODA_TRY(keep_net(b, net));
    moda_layer_group g = {.net = net, .layers = 1};
    g.batch = b->batch ? b->batch : MODA_LAYER_BATCH;
    for (int bf16 = 0; bf16 < 2; bf16++) {
        g.precision = bf16 ? MODA_PRECISION_BF16 : MODA_PRECISION_F32;
        if (!(bf16 ? b->bf16 : b->f32)) continue;
        for (g.layer = 1; g.layer < net->layer_count; g.layer++) {
            if (net->layers[g.layer].kind != b->kind) continue;
            g.problem = moda_problem_of(net, g.layer, g.batch);
            MODA_TRY(add_layer(b, g, false));
        }
    }
    MODA_CHECK(b->group_count > before, MODA_ERR_ARG,
               "%s has no such layer with such a pass and type: take another network", name);
out:
    return st;
}

/* ---- running ---- */

/* What a timed call sees. */
typedef struct subject {
    moda_trial *trial;
    size_t candidate;
} subject;

static moda_status call(void *state)
{
    const subject *s = state;
    return moda_trial_run(s->trial, s->candidate);
}

static moda_status measure(void *user, size_t i, double seconds)
{
    moda_status st = MODA_OK;
    moda_layer_bench *b = user;
    moda_layer_row *r = &b->rows[i];
    MODA_TRY(open_group(b, r->group));
    subject s = {b->trial, r->candidate};
    MODA_TRY(moda_timings_round((moda_timed){call, NULL, &s}, seconds, &r->timings));
out:
    return st;
}

static moda_session_row row(void *user, size_t i)
{
    moda_layer_bench *b = user;
    moda_layer_row *r = &b->rows[i];
    return (moda_session_row){r->implementation, &r->timings, &r->time};
}

/* Without anything open: the limits' memory comes on top of it. */
static moda_status before_round(void *user)
{
    moda_layer_bench *b = user;
    close_all(b);
    return moda_limits_measure(&b->limits);
}

moda_status moda_layer_bench_run(moda_layer_bench *b)
{
    const moda_session_work work = {
        b->kind == MODA_LAYER_CONV ? "conv" : "gemm", b->count, b, row, measure, before_round};
    const moda_status st = moda_session_run(&b->session, &work);
    close_all(b);
    return st;
}

void moda_layer_bench_free(moda_layer_bench *b)
{
    if (!b) return;
    close_all(b);
    for (size_t i = 0; i < b->count; i++) moda_timings_free(&b->rows[i].timings);
    for (size_t i = 0; i < b->net_count; i++) moda_net_destroy(b->nets[i]);
    free(b->rows);
    free(b->groups);
    free(b->nets);
    moda_session_free(&b->session);
    *b = (moda_layer_bench){0};
}
