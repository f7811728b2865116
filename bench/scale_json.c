/* bench/scale_json.c - the figures of moda scale as JSON and CSV. */
#include "base/csv.h"
#include "base/file.h"
#include "bench/scale.h"
#include <math.h>

/* ---- JSON ---- */

static json_t *part_json(const moda_scale_point *p, const moda_scale_part *part)
{
    return json_pack(
        "{s:o s:s s:s s:o s:o s:o s:o s:o}", "layer", moda_json_text(part->layer), "pass",
        part->pass, "kind", part->kind, "seconds", moda_json_number(part->seconds), "share",
        moda_json_number(part->seconds / p->own.median), "flops", moda_json_number(part->flops),
        "bytes", moda_json_number(part->bytes), "flops_per_second",
        moda_json_number(part->seconds > 0 ? part->flops / part->seconds : NAN));
}

static json_t *point_json(const moda_scale_point *p)
{
    json_t *parts = json_array();
    for (size_t i = 0; i < p->part_count; i++)
        json_array_append_new(parts, part_json(p, &p->parts[i]));
    return json_pack(
        "{s:I s:I s:I s:s s:I s:o s:o s:o s:o s:o s:o s:o s:o s:o s:o s:o s:o s:o s:o s:o s:o}",
        "threads", (json_int_t)p->threads, "nodes", (json_int_t)p->nodes, "batch_size",
        (json_int_t)p->batch, "bind", p->bind, "steps", (json_int_t)p->time.n, "median_seconds",
        moda_json_number(p->time.median), "low_seconds", moda_json_number(p->time.low),
        "high_seconds", moda_json_number(p->time.high), "undisturbed_seconds",
        moda_json_number(p->own.median), "undisturbed_low", moda_json_number(p->own.low),
        "undisturbed_high", moda_json_number(p->own.high), "best_seconds",
        moda_json_number(p->time.best), "samples_per_second",
        moda_json_number((double)p->batch / p->own.median), "speedup", moda_json_number(p->speedup),
        "speedup_low", moda_json_number(p->low), "speedup_high", moda_json_number(p->high),
        "efficiency", moda_json_number(p->efficiency), "peak_flops",
        moda_json_number(p->peak_flops), "peak_bandwidth", moda_json_number(p->bandwidth),
        "rest_seconds", moda_json_number(p->rest), "parts", parts);
}

static json_t *fit_json(const moda_scale_fit *f, bool coherence)
{
    static const char *const kinds[] = {"too few points", "solved", "least squares"};
    const bool any = f->kind != MODA_FIT_NONE;
    json_t *json = json_pack("{s:s s:I s:o s:o}", "fit", kinds[f->kind], "points",
                             (json_int_t)f->samples, coherence ? "contention" : "serial_fraction",
                             moda_json_number(any ? f->contention : NAN),
                             "samples_per_second_of_one", moda_json_number(any ? f->rate : NAN));
    if (json && coherence) {
        json_object_set_new(json, "coherence", moda_json_number(any ? f->coherence : NAN));
        json_object_set_new(json, "best_threads",
                            moda_json_number(any ? moda_scale_fit_best_threads(f) : NAN));
    }
    if (json)
        json_object_set_new(json, "error",
                            moda_json_number(f->kind == MODA_FIT_LEAST_SQUARES ? f->error : NAN));
    return json;
}

static moda_status layers_json(const moda_scale_curve *c, json_t **json)
{
    moda_status st = MODA_OK;
    moda_scale_layer *layers = NULL;
    size_t count = 0;
    *json = json_array();
    MODA_TRY(moda_scale_layers(c, &layers, &count));
    for (size_t i = 0; i < count; i++) {
        const moda_scale_layer *l = &layers[i];
        MODA_CHECK(
            json_array_append_new(*json, json_pack("{s:o s:s s:s s:o s:o s:o s:I}", "layer",
                                                   moda_json_text(l->first->layer), "pass",
                                                   l->first->pass, "kind", l->first->kind,
                                                   "speedup", moda_json_number(l->speedup),
                                                   "efficiency", moda_json_number(l->efficiency),
                                                   "lost_seconds", moda_json_number(l->lost),
                                                   "scales_to", (json_int_t)l->scales_to)) == 0,
            MODA_ERR_NOMEM, "out of memory");
    }
out:
    free(layers);
    return st;
}

static moda_status curve_json(const moda_scale_curve *c, json_t **json)
{
    moda_status st = MODA_OK;
    json_t *points = json_array(), *layers = NULL;
    for (size_t i = 0; i < c->count; i++)
        MODA_CHECK(json_array_append_new(points, point_json(&c->points[i])) == 0, MODA_ERR_NOMEM,
                   "out of memory");
    MODA_TRY(layers_json(c, &layers));
    *json =
        json_pack("{s:o s:s s:s s:s s:s s:O s:o s:o s:O}", "model", moda_json_text(c->model),
                  "method", c->method, "precision", c->precision, "scaling",
                  c->weak ? "weak" : "strong", "layout", c->spread ? "spread" : "packed", "points",
                  points, "amdahl", c->weak ? json_null() : fit_json(&c->amdahl, false), "usl",
                  fit_json(&c->usl, true), "layers", layers);
    MODA_CHECK(*json, MODA_ERR_NOMEM, "out of memory");
    if (c->tuning)
        MODA_CHECK(json_object_set_new(*json, "tuned_with_threads",
                                       json_integer((json_int_t)c->tuned_with)) == 0,
                   MODA_ERR_NOMEM, "out of memory");
out:
    json_decref(points);
    json_decref(layers);
    return st;
}

moda_status moda_scale_json(const moda_scale_bench *b, json_t **json)
{
    moda_status st = MODA_OK;
    json_t *curves = json_array(), *curve = NULL, *report = NULL;
    for (size_t i = 0; i < b->count; i++) {
        MODA_TRY(curve_json(&b->curves[i], &curve));
        MODA_CHECK(json_array_append_new(curves, curve) == 0, MODA_ERR_NOMEM, "out of memory");
    }
    report = json_pack("{s:s s:I s:I s:I s:O}", "benchmark", "scale", "rounds",
                       (json_int_t)b->rounds, "steps_per_turn", (json_int_t)b->steps, "seed",
                       (json_int_t)b->seed, "curves", curves);
    MODA_CHECK(report, MODA_ERR_NOMEM, "out of memory");
    MODA_TRY(moda_session_json(&b->session, report));
    *json = report, report = NULL;
out:
    json_decref(report);
    json_decref(curves);
    return st;
}

/* ---- CSV ---- */

static void put_point(const moda_scale_curve *c, const moda_scale_point *p, FILE *to)
{
    moda_csv_text(to, c->model);
    fprintf(to, ",%s,%s,%s,%s,%zu,%zu,%zu,", c->method, c->precision, c->weak ? "weak" : "strong",
            c->spread ? "spread" : "packed", p->threads, p->nodes, p->batch);
}

moda_status moda_scale_write_csv(const moda_scale_bench *b, const char *path)
{
    moda_status st = MODA_OK;
    moda_writer w = {0};
    MODA_TRY(moda_writer_open(&w, path));
    fputs("model,method,precision,scaling,layout,threads,nodes,batch_size,layer,pass,kind,"
          "median_seconds,low_seconds,high_seconds,undisturbed_seconds,speedup,efficiency,flops,"
          "bytes,peak_flops,"
          "peak_bandwidth\n",
          w.stream);
    for (size_t i = 0; i < b->count; i++)
        for (size_t k = 0; k < b->curves[i].count; k++) {
            const moda_scale_curve *c = &b->curves[i];
            const moda_scale_point *p = &c->points[k];
            put_point(c, p, w.stream);
            fprintf(w.stream, "step,,,%.6g,%.6g,%.6g,%.6g,%.6g,%.6g,,,%.6g,%.6g\n", p->time.median,
                    p->time.low, p->time.high, p->own.median, p->speedup, p->efficiency,
                    p->peak_flops, p->bandwidth);
            for (size_t l = 0; l < p->part_count; l++) {
                const moda_scale_part *part = &p->parts[l];
                put_point(c, p, w.stream);
                moda_csv_text(w.stream, part->layer);
                fprintf(w.stream, ",%s,%s,%.6g,,,%.6g,,,%.0f,%.0f,,\n", part->pass, part->kind,
                        part->seconds, part->seconds, part->flops, part->bytes);
            }
        }
    MODA_TRY(moda_writer_commit(&w));
out:
    moda_writer_abort(&w);
    return st;
}
