/* tests/test_scale_predict.c - the arithmetic of predictions against sums done by hand, and curves of a made-up
 * machine that follows the model. */
#include "bench/scale_forecast.h"
#include "tests/capture.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(scale_predict, .fini = test_folder_remove, .timeout = 60);

/* One computes for 8 s, one streams 40 GB in 4 s (all that 10 GB/s can bring), one says 90 GB in 2 s: caches. */
static const moda_predict_part parts[] = {{8, 1e9}, {4, 40e9}, {2, 90e9}};

static moda_predict_model model_of(double serial)
{
    return (moda_predict_model){.base = 1,
                                .parts = parts,
                                .count = 3,
                                .rest = 0.5,
                                .base_bandwidth = 10e9,
                                .thread_bandwidth = 10e9,
                                .node_bandwidth = 30e9,
                                .serial = serial};
}

Test(scale_predict, the_longer_bound_counts)
{
    const moda_predict_model m = model_of(0);
    bool memory = false;
    cr_assert(eq(dbl, moda_predict_bytes(&m, 0), 1e9));
    cr_assert(eq(dbl, moda_predict_bytes(&m, 2), 20e9), "more than memory could bring in 2 s");
    /* 4 threads, 20 GB/s: 8/4 s; 40/20 s instead of 4/4; 20/20 s instead of 2/4. */
    cr_assert(eq(dbl, moda_predict_part_seconds(&m, 0, 4, 20e9, &memory), 2));
    cr_assert(not(memory));
    cr_assert(eq(dbl, moda_predict_part_seconds(&m, 1, 4, 20e9, &memory), 2));
    cr_assert(memory);
    cr_assert(eq(dbl, moda_predict_part_seconds(&m, 2, 4, 20e9, &memory), 1));
    cr_assert(memory);
    cr_assert(eq(dbl, moda_predict_seconds(&m, 4, 20e9), 5.5));
    /* A tenth of 14 s stays. */
    const moda_predict_model s = model_of(0.1);
    cr_assert(epsilon_eq(dbl, moda_predict_seconds(&s, 4, 20e9), 0.5 + 0.9 * 5 + 1.4, 1e-12));
    cr_assert(epsilon_eq(dbl, moda_predict_seconds(&s, 1, 10e9), 14.5, 1e-12), "as measured");
}

Test(scale_predict, bandwidth_is_that_of_nodes_with_threads)
{
    const moda_predict_model m = model_of(0);
    moda_topology *t = NULL;
    double bandwidth = 0;
    size_t nodes = 0;
    cr_assert(eq(int, moda_topology_synthetic("node:2 core:8 pu:2", NULL, &t), MODA_OK));
    const struct {
        size_t threads;
        double bandwidth;
        size_t nodes;
    } want[] = {{1, 10e9, 1}, {2, 20e9, 1}, {8, 30e9, 1}, {9, 40e9, 2}, {16, 60e9, 2}};
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        cr_assert(
            eq(int, moda_predict_bandwidth(&m, t, want[i].threads, &bandwidth, &nodes), MODA_OK));
        cr_assert(eq(dbl, bandwidth, want[i].bandwidth), "%zu threads: %g", want[i].threads,
                  bandwidth);
        cr_assert(eq(sz, nodes, want[i].nodes));
    }
    cr_assert(eq(int, moda_predict_bandwidth(&m, t, 17, &bandwidth, &nodes), MODA_ERR_ARG));
    moda_topology_destroy(t);
}

Test(scale_predict, full_memory_is_not_taken_for_serial_work)
{
    const double serials[] = {0, 0.03, 0.5, 1};
    for (size_t i = 0; i < 4; i++) {
        const moda_predict_model truth = model_of(serials[i]);
        moda_predict_sample s[5];
        const size_t n[] = {1, 2, 3, 4, 8};
        for (size_t k = 0; k < 5; k++) {
            const double bandwidth = n[k] < 3 ? 10e9 * (double)n[k] : 25e9;
            s[k] = (moda_predict_sample){
                n[k], moda_predict_seconds(&truth, n[k], bandwidth) - truth.rest, bandwidth};
        }
        moda_predict_model m = model_of(0.77);
        moda_predict_fit_serial(&m, s, 5);
        cr_assert(epsilon_eq(dbl, m.serial, serials[i], 1e-12), "%g", m.serial);
        cr_assert(lt(dbl, m.error, 1e-12));
        /* Any other share is worse. */
        for (size_t k = 1; k < 5; k++) s[k].seconds *= k % 2 ? 1.03 : 0.98;
        moda_predict_fit_serial(&m, s, 5);
        for (double other = 0; other <= 1; other += 0.001) {
            moda_predict_model o = m;
            double sum = 0;
            o.serial = other;
            for (size_t k = 0; k < 5; k++) {
                const double r = (moda_predict_seconds(&o, s[k].threads, s[k].bandwidth) - o.rest) /
                                 s[k].seconds;
                sum += (r - 1) * (r - 1);
            }
            cr_assert(le(dbl, m.error * (1 - 1e-12), sqrt(sum / 5)), "%g, %g", other, m.serial);
        }
    }
}

/* ---- a whole forecast ---- */

/* A point with `n` threads of a machine on which the first part halves and the second does not. */
static moda_scale_point point(size_t n, double first, double second)
{
    moda_scale_point p = {.threads = n, .batch = 128, .nodes = 1, .bandwidth = 10e9 * (double)n};
    p.parts = calloc(2, sizeof *p.parts);
    p.part_count = 2;
    p.parts[0] =
        (moda_scale_part){.layer = "conv", .pass = "forward", .seconds = first, .bytes = 1e9};
    p.parts[1] =
        (moda_scale_part){.layer = "bn", .pass = "forward", .seconds = second, .bytes = 2e9};
    p.rest = 0.01 * (double)n;
    p.time.median = p.own.median = first + second + p.rest;
    return p;
}

Test(scale_predict, a_forecast_says_what_it_is)
{
    moda_scale_point points[] = {point(1, 0.8, 0.2), point(2, 0.4, 0.1)};
    const moda_scale_curve curve = {.model = "net", .points = points, .count = 2};
    size_t counts[] = {2, 4, 8};
    const moda_sizes threads = {counts, 3};
    moda_topology *t = NULL;
    moda_forecast f;
    json_t *json = NULL;
    cr_assert(eq(int, moda_topology_synthetic("node:2 core:4 pu:1", NULL, &t), MODA_OK));
    moda_forecast_machine machine = {"node:2 core:4 pu:1", t, &threads, 0};
    cr_assert(eq(int, moda_forecast_make(&curve, &machine, &f), MODA_OK), "%s", moda_last_error());
    cr_assert(epsilon_eq(dbl, f.model.serial, 0, 1e-12));
    cr_assert(eq(dbl, f.model.rest, 0.01), "the least");
    cr_assert(eq(dbl, f.model.node_bandwidth, 20e9));
    /* 4 threads, one node with 20 GB/s: 0.8/4, then 2/20 instead of 0.2/4. 8: two nodes. */
    cr_assert(epsilon_eq(dbl, f.points[0].seconds, 0.51, 1e-12));
    cr_assert(epsilon_eq(dbl, f.points[1].seconds, 0.2 + 0.1 + 0.01, 1e-12));
    cr_assert(epsilon_eq(dbl, f.points[2].seconds, 0.1 + 0.05 + 0.01, 1e-12));
    cr_assert(epsilon_eq(dbl, f.points[2].speedup, 1.01 / 0.16, 1e-9));
    cr_assert(epsilon_eq(dbl, f.points[1].memory, 0.1, 1e-12));
    cr_assert(epsilon_eq(dbl, f.points[1].compute, 0.2, 1e-12));
    cr_assert(eq(sz, f.points[1].nodes, 1));
    cr_assert(eq(sz, f.points[2].nodes, 2));
    test_capture(1);
    moda_forecast_print(&f);
    char *out = test_captured();
    const char *const words[] = {"PREDICTION, not measured",
                                 "node:2 core:4 pu:1",
                                 "8 cores, 2 nodes",
                                 "310.000",
                                 "It assumes",
                                 "20.0 GB/s from a node (measured here)",
                                 "serial part of 0.00 %",
                                 "two say what it is, not how well"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        cr_assert(ne(ptr, (void *)strstr(out, words[i]), NULL), "%s: %s", words[i], out);
    free(out);
    cr_assert(eq(int, moda_forecast_json(&f, &json), MODA_OK));
    const json_t *last = json_array_get(json_object_get(json, "points"), 2);
    const bool yes = json_is_true(json_object_get(json, "prediction"));
    cr_assert(eq(int, yes, true));
    cr_assert(epsilon_eq(dbl, json_number_value(json_object_get(last, "seconds")), 0.16, 1e-12));
    cr_assert(eq(sz, json_array_size(json_object_get(last, "parts")), 2));
    json_decref(json);
    moda_forecast_free(&f);
    /* Twice the bandwidth, as given. */
    machine.node_bandwidth = 40e9;
    cr_assert(eq(int, moda_forecast_make(&curve, &machine, &f), MODA_OK));
    cr_assert(epsilon_eq(dbl, f.points[1].seconds, 0.2 + 0.05 + 0.01, 1e-12));
    moda_forecast_free(&f);
    const moda_scale_curve one = {.model = "net", .points = points, .count = 1};
    cr_assert(eq(int, moda_forecast_make(&one, &machine, &f), MODA_ERR_ARG));
    moda_topology_destroy(t);
    for (size_t i = 0; i < 2; i++) free(points[i].parts);
}
