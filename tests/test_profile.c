/* tests/test_profile.c - engine/profile.h: figures from given times against ones worked out by
 * hand; the parts of a small network's program against its shapes; a trace as a viewer reads
 * it. */
#include "engine/profile.h"
#include "engine/trainer.h"
#include "tests/capture.h"
#include "tests/small_net.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

TestSuite(profile, .fini = test_folder_remove, .timeout = 60);

static const moda_profile_peaks peaks = {2e11, 1e10};

static moda_profile *create(void)
{
    moda_profile *p = NULL;
    cr_assert(moda_profile_create(peaks, &p) == MODA_OK, "%s", moda_last_error());
    return p;
}

static size_t add(moda_profile *p, const char *layer, moda_work work, moda_pass pass)
{
    moda_profile_part part = {.work = work, .pass = pass, .flops = 4e6, .bytes = 1e6};
    size_t index = 99;
    snprintf(part.layer, sizeof part.layer, "%s", layer);
    snprintf(part.kernel, sizeof part.kernel, "kernel of %s", layer);
    cr_assert(moda_profile_add(p, &part, &index) == MODA_OK, "%s", moda_last_error());
    return index;
}

/* Steps of 10 s that begin 100 s apart; a takes 1, 2, 3, .. s in the kept ones, b twice 1 s. */
static moda_profile *filled(size_t steps)
{
    moda_profile *p = create();
    const size_t a = add(p, "a", MODA_WORK_CONVOLUTION, MODA_PASS_FORWARD);
    const size_t b = add(p, "b", MODA_WORK_CONVOLUTION, MODA_PASS_BACKWARD_DATA);
    const size_t c = add(p, "c", MODA_WORK_REORDER, MODA_PASS_NONE);
    cr_assert(a == 0 && b == 1 && c == 2, "%zu %zu %zu", a, b, c);
    for (size_t s = 0; s < steps; s++) {
        const double start = 100 * (double)s, length = (double)s - MODA_PROFILE_WARMUP + 1;
        moda_profile_begin_step(p, start);
        cr_assert(moda_profile_recording(p) ==
                      (s >= MODA_PROFILE_WARMUP && s < MODA_PROFILE_WARMUP + MODA_PROFILE_STEPS),
                  "step %zu", s);
        moda_profile_record(p, a, start, start + length / 4);
        moda_profile_record(p, b, start + 5, start + 6);
        moda_profile_record(p, b, start + 7, start + 8);
        moda_profile_end_step(p, start + 10);
        cr_assert(moda_profile_recording(p) == false, "after step %zu", s);
    }
    return p;
}

static bool near(double got, double want)
{
    return fabs(got - want) <= 1e-12 * fabs(want);
}

static bool is_time(moda_profile_time got, double seconds, double share)
{
    return near(got.seconds, seconds) && near(got.share, share);
}

/* ---- figures ---- */

Test(profile, figures_of_given_times)
{
    moda_profile *p = filled(MODA_PROFILE_WARMUP + 4); /* a: 0.25, 0.5, 0.75, 1 */
    cr_assert(moda_profile_steps(p) == 4);
    cr_assert(is_time(moda_profile_part_time(p, 0), 0.625, 2.5 / 40), "a");
    cr_assert(is_time(moda_profile_part_time(p, 1), 2, 8.0 / 40), "b");
    cr_assert(is_time(moda_profile_part_time(p, 2), 0, 0), "c");
    cr_assert(is_time(moda_profile_work_time(p, MODA_WORK_CONVOLUTION), 2.625, 10.5 / 40));
    cr_assert(is_time(moda_profile_work_time(p, MODA_WORK_POOLING), 0, 0));
    cr_assert(is_time(moda_profile_all_parts(p), 2.625, 10.5 / 40));
    cr_assert(is_time(moda_profile_rest(p), 7.375, 29.5 / 40));
    cr_assert(is_time(moda_profile_whole_step(p), 10, 1));
    cr_assert(near(moda_profile_begin(p, 1, 1), 100 * (MODA_PROFILE_WARMUP + 1) + 5));
    moda_profile_destroy(p);
}

Test(profile, only_the_first_steps_after_warm_up_are_kept)
{
    moda_profile *p = filled(2 * MODA_PROFILE_WARMUP + MODA_PROFILE_STEPS);
    cr_assert(moda_profile_steps(p) == MODA_PROFILE_STEPS);
    /* 0.25, 0.5, .., 5: an odd or even number of them, the middle is the mean */
    const double mean = (0.25 + MODA_PROFILE_STEPS / 4.0) / 2;
    cr_assert(is_time(moda_profile_part_time(p, 0), mean, mean / 10));
    moda_profile_destroy(p);
}

Test(profile, without_a_kept_step_there_are_zeros)
{
    moda_profile *p = filled(MODA_PROFILE_WARMUP);
    cr_assert(moda_profile_steps(p) == 0);
    cr_assert(is_time(moda_profile_part_time(p, 0), 0, 0));
    cr_assert(is_time(moda_profile_rest(p), 0, 0));
    test_capture(1);
    moda_profile_print(p);
    char *text = test_captured();
    cr_assert(strstr(text, "0 steps") && !strstr(text, "nan") && !strstr(text, "inf"), "%s", text);
    free(text);
    moda_profile_destroy(p);
}

/* ---- output ---- */

Test(profile, tables_name_everything)
{
    static const char *const words[] = {
        "4 steps", "200.0 GFLOP/s", "10.0 GB/s", "kernel of a", "backward data", "convolution",
        "\nrest ", "whole step",    "10000.000", "73.8%",       "100.0%",        "625.000"};
    moda_profile *p = filled(MODA_PROFILE_WARMUP + 4);
    test_capture(1);
    moda_profile_print(p);
    char *text = test_captured();
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        cr_assert(strstr(text, words[i]) != NULL, "no %s in\n%s", words[i], text);
    free(text);
    moda_profile_destroy(p);
}

static double number(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    cr_assert(value && json_is_number(value), "no number %s", key);
    return json_number_value(value);
}

static const char *word(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    cr_assert(text != NULL, "no text %s", key);
    return text;
}

Test(profile, trace_is_what_viewers_read)
{
    moda_profile *p = filled(MODA_PROFILE_WARMUP + 2);
    const char *path = test_path("trace.json");
    cr_assert(moda_profile_write_trace(p, "a title", path) == MODA_OK, "%s", moda_last_error());
    moda_profile_destroy(p);
    json_t *trace = NULL;
    cr_assert(moda_json_read(path, &trace) == MODA_OK, "%s", moda_last_error());
    const json_t *events = json_object_get(trace, "traceEvents"), *e;
    size_t i, complete = 0, names = 0;
    json_array_foreach(events, i, e)
    {
        cr_assert(number(e, "pid") == 1 && number(e, "tid") == 1, "event %zu", i);
        cr_assert(strlen(word(e, "name")) > 0, "event %zu", i);
        if (strcmp(word(e, "ph"), "M") == 0) {
            names += *word(json_object_get(e, "args"), "name") != 0;
            continue;
        }
        cr_assert(strcmp(word(e, "ph"), "X") == 0, "event %zu is %s", i, word(e, "ph"));
        cr_assert(number(e, "ts") >= 0 && number(e, "dur") >= 0, "event %zu", i);
        cr_assert(strlen(word(e, "cat")) > 0 && json_is_object(json_object_get(e, "args")));
        complete++;
    }
    cr_assert(names == 2, "process and thread have %zu names", names);
    cr_assert(complete == 2 * (1 + 2), "%zu events: two steps, a and b in each", complete);
    e = json_array_get(events, 2 + 3 + 2); /* b in the second step, which begins 100 s later */
    cr_assert(strcmp(word(e, "name"), "b backward data") == 0, "%s", word(e, "name"));
    cr_assert(near(number(e, "ts"), 105e6) && near(number(e, "dur"), 2e6));
    const json_t *arguments = json_object_get(e, "args");
    cr_assert(strcmp(word(arguments, "kernel"), "kernel of b") == 0);
    cr_assert(near(number(arguments, "GFLOP/s"), 2e-3) && near(number(arguments, "GB/s"), 5e-4));
    json_decref(trace);
}

Test(profile, a_trace_that_cannot_be_written)
{
    moda_profile *p = filled(MODA_PROFILE_WARMUP + 1);
    cr_assert(moda_profile_write_trace(p, "t", test_path("no/trace.json")) == MODA_ERR_IO);
    cr_assert(strstr(moda_last_error(), "no/trace.json") != NULL, "%s", moda_last_error());
    cr_assert(test_folder_entries() == 0);
    moda_profile_destroy(p);
}

/* ---- a program's parts ---- */

enum { BATCH = 6 };

/* The part with these words; shows what there is if there is none. */
static const moda_profile_part *find(const moda_profile *p, const char *layer, moda_pass pass,
                                     moda_work work)
{
    for (size_t i = 0; i < moda_profile_parts(p); i++) {
        const moda_profile_part *x = moda_profile_part_at(p, i);
        if (strcmp(x->layer, layer) == 0 && x->pass == pass && x->work == work) return x;
    }
    cr_assert(false, "no %s of %s, %s", moda_work_name(work), layer, moda_pass_name(pass));
    return NULL;
}

static void check_part(const moda_profile *p, const char *layer, moda_pass pass, moda_work work,
                       double flops, double bytes)
{
    const moda_profile_part *x = find(p, layer, pass, work);
    cr_assert(x->flops == flops, "%s %s: %g operations, not %g", layer, moda_pass_name(pass),
              x->flops, flops);
    cr_assert(x->bytes == bytes, "%s %s: %g bytes, not %g", layer, moda_pass_name(pass), x->bytes,
              bytes);
    cr_assert(x->kernel[0] != 0, "%s %s has no kernel", layer, moda_pass_name(pass));
}

/* 16 channels everywhere, so that no layout pads: input 16x8x8, a: 16 3x3 filters without
 * padding give 16x6x6, b: 16*36 inputs, 16 outputs. Figures worked out here from those numbers
 * alone. */
Test(profile, parts_of_a_program)
{
    moda_model *m = small_model("16 8 8",
                                "[conv];name = a;outputs = 16;kernel = 3;bias = no;"
                                "[batchnorm];name = n;[relu];name = r;"
                                "[linear];name = b;outputs = 16;bias = no",
                                3);
    small_net s =
        small_create(m, (moda_executor_options){.batch = BATCH, .training = true, .modular = true});
    moda_profile *p = create();
    cr_assert(moda_executor_profile(s.executor, p) == MODA_OK, "%s", moda_last_error());
    const double in = BATCH * 16 * 64 * 4, out = BATCH * 16 * 36 * 4, filters = 16 * 16 * 9 * 4;
    const double conv = 2.0 * BATCH * 16 * 36 * 16 * 9, linear = 2.0 * BATCH * 16 * 16 * 36;
    const double channels = 16 * 4, activations = BATCH * 16 * 4, logits = BATCH * 16 * 4;
    check_part(p, "a", MODA_PASS_FORWARD, MODA_WORK_CONVOLUTION, conv, in + filters + out);
    check_part(p, "a", MODA_PASS_BACKWARD_WEIGHTS, MODA_WORK_CONVOLUTION, conv, in + filters + out);
    check_part(p, "b", MODA_PASS_FORWARD, MODA_WORK_LINEAR, linear, out + 16 * 576 * 4 + logits);
    check_part(p, "b", MODA_PASS_BACKWARD_DATA, MODA_WORK_LINEAR, linear,
               out + 16 * 576 * 4 + logits);
    /* scale, shift, mean, variance, running mean and variance; the gradient d is read and
     * written */
    check_part(p, "n", MODA_PASS_FORWARD, MODA_WORK_BATCHNORM, 0,
               2 * out + 6 * channels + activations);
    check_part(p, "n", MODA_PASS_BACKWARD, MODA_WORK_BATCHNORM, 0,
               3 * out + 6 * channels + activations);
    const char *kernel = find(p, "n", MODA_PASS_FORWARD, MODA_WORK_BATCHNORM)->kernel;
    cr_assert(strstr(kernel, "batch norm + ReLU + activations, ") == kernel, "%s", kernel);
    moda_profile_destroy(p);
    small_destroy(&s);
    moda_model_destroy(m);
}
