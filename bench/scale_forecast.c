#include "bench/scale_forecast.h"
#include "base/table.h"
#include <math.h>
#include <stdio.h>

enum { SHOWN_PARTS = 10 };

/* ---- the model ---- */

static double parts_seconds(const moda_scale_point *p)
{
    double sum = 0;
    for (size_t i = 0; i < p->part_count; i++) sum += p->parts[i].seconds;
    return sum;
}

/* Of one node here, with as many threads as were measured. */
static double node_bandwidth(const moda_scale_curve *c)
{
    double best = 0;
    for (size_t i = 0; i < c->count; i++)
        best = fmax(best, c->points[i].bandwidth / (double)c->points[i].nodes);
    return best;
}

static moda_status build_model(moda_forecast *f)
{
    moda_status st = MODA_OK;
    const moda_scale_curve *c = f->curve;
    const moda_scale_point *first = c->points;
    moda_predict_sample *samples = NULL;
    MODA_ALLOC(f->parts, first->part_count * sizeof *f->parts);
    MODA_ALLOC(samples, c->count * sizeof *samples);
    f->model = (moda_predict_model){.base = first->threads,
                                    .parts = f->parts,
                                    .count = first->part_count,
                                    .rest = first->rest,
                                    .base_bandwidth = first->bandwidth,
                                    .thread_bandwidth = first->bandwidth / (double)first->threads,
                                    .node_bandwidth = f->machine.node_bandwidth};
    if (!(f->model.node_bandwidth > 0)) f->model.node_bandwidth = node_bandwidth(c);
    for (size_t i = 0; i < first->part_count; i++)
        f->parts[i] = (moda_predict_part){first->parts[i].seconds, first->parts[i].bytes};
    for (size_t i = 0; i < c->count; i++) {
        const moda_scale_point *p = &c->points[i];
        samples[i] = (moda_predict_sample){p->threads, parts_seconds(p), p->bandwidth};
        /* The least of all: what else it holds are interruptions by other programs. */
        f->model.rest = fmax(0, fmin(f->model.rest, p->rest));
    }
    moda_predict_fit_serial(&f->model, samples, c->count);
out:
    free(samples);
    return st;
}

static moda_status predict(moda_forecast *f, size_t threads, moda_forecast_point *p)
{
    moda_status st = MODA_OK;
    const moda_predict_model *m = &f->model;
    *p = (moda_forecast_point){.threads = threads};
    MODA_TRY(moda_predict_bandwidth(m, f->machine.topology, threads, &p->bandwidth, &p->nodes));
    p->seconds = moda_predict_seconds(m, threads, p->bandwidth);
    p->speedup = (double)m->base * moda_predict_seconds(m, m->base, m->base_bandwidth) / p->seconds;
    for (size_t i = 0; i < m->count; i++) {
        bool memory = false;
        const double seconds = moda_predict_part_seconds(m, i, threads, p->bandwidth, &memory);
        *(memory ? &p->memory : &p->compute) += seconds;
    }
out:
    return st;
}

moda_status moda_forecast_make(const moda_scale_curve *curve, const moda_forecast_machine *machine,
                               moda_forecast *f)
{
    moda_status st = MODA_OK;
    *f = (moda_forecast){.curve = curve, .machine = *machine};
    MODA_CHECK(!curve->weak && curve->count > 1, MODA_ERR_ARG,
               "a prediction needs strong scaling with at least two numbers of threads");
    MODA_TRY(build_model(f));
    MODA_ALLOC(f->points, machine->threads->n * sizeof *f->points);
    for (size_t i = 0; i < machine->threads->n; i++)
        MODA_TRY(predict(f, machine->threads->values[i], &f->points[i]));
out:
    if (st != MODA_OK) moda_forecast_free(f);
    return st;
}

void moda_forecast_free(moda_forecast *f)
{
    if (!f) return;
    free(f->parts);
    free(f->points);
    *f = (moda_forecast){0};
}

/* ---- figures ---- */

static double serial_seconds(const moda_predict_model *m)
{
    double sum = 0;
    for (size_t i = 0; i < m->count; i++) sum += m->parts[i].seconds;
    return m->serial * sum;
}

static void print_points(const moda_forecast *f)
{
    moda_table *t = moda_table_create(">threads|>nodes|>GB/s|>ms/step|>images/"
                                      "s|>speedup|>efficiency|>by threads|>by memory|>serial");
    for (size_t i = 0; i < f->machine.threads->n; i++) {
        const moda_forecast_point *p = &f->points[i];
        moda_table_row(t, "%zu|%zu|%.1f|%.3f|%.0f|%.2f|%.1f %%|%.1f %%|%.1f %%|%.1f %%", p->threads,
                       p->nodes, 1e-9 * p->bandwidth, 1e3 * p->seconds,
                       (double)f->curve->points->batch / p->seconds, p->speedup,
                       100 * p->speedup / (double)p->threads, 100 * p->compute / p->seconds,
                       100 * p->memory / p->seconds,
                       100 * (serial_seconds(&f->model) + f->model.rest) / p->seconds);
    }
    moda_table_print(t);
    moda_table_destroy(t);
}

/* The part that takes longest of those that take less than `below`, or as long but stand behind `after`. */
static size_t next_longest(const moda_forecast *f, const moda_forecast_point *p, size_t last,
                           double below)
{
    size_t best = f->model.count;
    double most = -1;
    for (size_t i = 0; i < f->model.count; i++) {
        const double s = moda_predict_part_seconds(&f->model, i, p->threads, p->bandwidth, NULL);
        const bool later = s < below || (s == below && i > last);
        if (later && s > most) best = i, most = s;
    }
    return best;
}

static void print_parts(const moda_forecast *f)
{
    const moda_forecast_point *p = &f->points[f->machine.threads->n - 1];
    moda_table *t = moda_table_create("layer|pass|>ms here|>ms|bound by");
    double below = INFINITY;
    size_t i = 0;
    for (size_t n = 0; n < SHOWN_PARTS; n++) {
        bool memory = false;
        i = next_longest(f, p, i, below);
        if (i == f->model.count) break;
        below = moda_predict_part_seconds(&f->model, i, p->threads, p->bandwidth, &memory);
        const moda_scale_part *part = &f->curve->points->parts[i];
        moda_table_row(t, "%s|%s|%.3f|%.3f|%s", part->layer, part->pass, 1e3 * part->seconds,
                       1e3 * below, memory ? "memory" : "threads");
    }
    printf("what takes longest with %zu threads, without its serial share\n", p->threads);
    moda_table_print(t);
    moda_table_destroy(t);
}

/* Samples a second of the first point, as measured. */
static double first_rate(const moda_scale_curve *c)
{
    return (double)c->points->batch / c->points->own.median;
}

static void print_assumptions(const moda_forecast *f)
{
    const moda_predict_model *m = &f->model;
    const moda_scale_curve *c = f->curve;
    printf(
        "It assumes\n"
        "  cores and caches like those here; each node's memory serves the node's own threads\n"
        "  %.1f GB/s from a node (%s), %.1f GB/s to a thread (measured here)\n"
        "  a layer's pass takes the longer of its work here, divided evenly among threads, and its "
        "bytes\n  over the bandwidth of the nodes with threads; what caches serve here they serve "
        "there\n"
        "  a serial part of %.2f %% of the step with %zu thread%s, as fitted to %zu numbers of "
        "threads here",
        1e-9 * m->node_bandwidth, f->machine.node_bandwidth > 0 ? "as given" : "measured here",
        1e-9 * m->thread_bandwidth, 100 * m->serial, m->base, m->base == 1 ? "" : "s", c->count);
    if (c->count > 2)
        printf(" (error %.1f %%)\n", 100 * m->error);
    else
        puts(":\n  two say what it is, not how well this model holds");
    puts("  no cost of synchronisation that grows with threads, no slower clock with more cores in "
         "use");
    const moda_forecast_point *last = &f->points[f->machine.threads->n - 1];
    if (c->usl.kind == MODA_FIT_LEAST_SQUARES)
        printf(
            "The universal scalability law, which knows of such a cost and of no memory, gives a "
            "speedup\nof %.2f with %zu threads where this is %.2f\n",
            moda_scale_fit_rate(&c->usl, (double)last->threads) / first_rate(c) *
                (double)c->points->threads,
            last->threads, last->speedup);
}

void moda_forecast_print(const moda_forecast *f)
{
    char name[160];
    const size_t cores = moda_topology_cores(f->machine.topology);
    printf("\nPREDICTION, not measured: %s, batch %zu\n"
           "on '%s': %zu cores, %zu nodes\n",
           moda_scale_curve_name(f->curve, name, sizeof name), f->curve->points->batch,
           f->machine.text, cores, moda_topology_nodes(f->machine.topology));
    print_points(f);
    print_parts(f);
    print_assumptions(f);
}

static json_t *point_json(const moda_forecast *f, const moda_forecast_point *p)
{
    json_t *parts = json_array();
    for (size_t i = 0; i < f->model.count; i++) {
        bool memory = false;
        const moda_scale_part *part = &f->curve->points->parts[i];
        const double s = moda_predict_part_seconds(&f->model, i, p->threads, p->bandwidth, &memory);
        json_array_append_new(parts,
                              json_pack("{s:o s:s s:o s:s}", "layer", moda_json_text(part->layer),
                                        "pass", part->pass, "seconds", moda_json_number(s), "bound",
                                        memory ? "memory" : "threads"));
    }
    return json_pack("{s:I s:I s:o s:o s:o s:o s:o}", "threads", (json_int_t)p->threads, "nodes",
                     (json_int_t)p->nodes, "bandwidth", moda_json_number(p->bandwidth), "seconds",
                     moda_json_number(p->seconds), "speedup", moda_json_number(p->speedup),
                     "efficiency", moda_json_number(p->speedup / (double)p->threads), "parts",
                     parts);
}

moda_status moda_forecast_json(const moda_forecast *f, json_t **json)
{
    moda_status st = MODA_OK;
    char name[160];
    const moda_predict_model *m = &f->model;
    json_t *points = json_array(), *report = NULL;
    for (size_t i = 0; i < f->machine.threads->n; i++)
        MODA_CHECK(json_array_append_new(points, point_json(f, &f->points[i])) == 0, MODA_ERR_NOMEM,
                   "out of memory");
    report = json_pack(
        "{s:b s:o s:o s:I s:I s:o s:b s:o s:o s:o s:o s:I s:O}", "prediction", 1, "curve",
        moda_json_text(moda_scale_curve_name(f->curve, name, sizeof name)), "machine",
        moda_json_text(f->machine.text), "machine_cores",
        (json_int_t)moda_topology_cores(f->machine.topology), "machine_nodes",
        (json_int_t)moda_topology_nodes(f->machine.topology), "node_bandwidth",
        moda_json_number(m->node_bandwidth), "node_bandwidth_given", f->machine.node_bandwidth > 0,
        "thread_bandwidth", moda_json_number(m->thread_bandwidth), "serial_fraction",
        moda_json_number(m->serial), "fit_error",
        moda_json_number(f->curve->count > 2 ? m->error : NAN), "rest_seconds",
        moda_json_number(m->rest), "base_threads", (json_int_t)m->base, "points", points);
    MODA_CHECK(report, MODA_ERR_NOMEM, "out of memory");
    *json = report;
out:
    json_decref(points);
    return st;
}
