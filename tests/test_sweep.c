/* Sweeps: lists of numbers, which runs they make, how a command line is divided, and that a row at a
 * threshold is what decomposing and reusing at that threshold give. */
#include "base/file.h"
#include "base/log.h"
#include "base/rng.h"
#include "decompose/decomposition.h"
#include "decompose/reals.h"
#include "decompose/sweep.h"
#include "decompose/sweep_runs.h"
#include "tests/capture.h"
#include "tests/formula.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void quiet_folder(void)
{
    moda_log_set_level(MODA_LOG_WARNING);
    test_folder();
}

TestSuite(sweep, .init = quiet_folder, .fini = test_folder_remove, .timeout = 120);

static void must(moda_status st)
{
    cr_assert(eq(int, st, MODA_OK), "%s", moda_last_error());
}

Test(sweep, lists_of_numbers)
{
    moda_reals list = {0};
    must(moda_reals_parse("tau", "0.1,.5,1,1e-3", 0, true, 1, &list));
    cr_assert(eq(sz, list.n, 4));
    cr_assert(list.values[0] == 0.1 && list.values[1] == 0.5 && list.values[2] == 1 &&
              list.values[3] == 1e-3);
    free(list.values);
    const char *const wrong[] = {"",    "0.1,", ",1",  "0.1 0.2", "x",       "0.1,0",
                                 "1.5", "-1",   "nan", "inf",     "0.5,0.50"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        cr_assert(eq(int, moda_reals_parse("tau", wrong[i], 0, true, 1, &list), MODA_ERR_ARG), "%s",
                  wrong[i]);
        cr_assert(strncmp(moda_last_error(), "--tau ", 6) == 0, "%s", moda_last_error());
    }
}

/* What is a number is not called none: where it may lie is said. */
Test(sweep, numbers_out_of_range_are_told_the_range)
{
    static const char *const out[][2] = {
        {"-1", "-1 is not allowed, must be at least 0, at most 1000"},
        {"1,-.5", "-0.5 is not allowed"},
        {"1001", "1001 is not allowed"},
        {"1e999", "inf is not allowed, must be at least 0, at most 1000"},
    };
    static const char *const none[] = {"-", "--1", "-x", "-inf", "+1", "- 1"};
    moda_reals list = {0};
    for (size_t i = 0; i < sizeof out / sizeof *out; i++) {
        cr_assert(
            eq(int, moda_reals_parse("alpha", out[i][0], 0, false, 1000, &list), MODA_ERR_ARG));
        cr_assert(strstr(moda_last_error(), out[i][1]) != NULL, "%s", moda_last_error());
    }
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        cr_assert(eq(int, moda_reals_parse("alpha", none[i], 0, false, 1000, &list), MODA_ERR_ARG));
        cr_assert(strstr(moda_last_error(), "is not a number") != NULL, "%s", moda_last_error());
    }
    must(moda_reals_parse("alpha", "-0", 0, false, 1000, &list));
    const int negative = signbit(list.values[0]) != 0;
    cr_assert(eq(int, negative, 0), "folders of runs would be called alpha--0");
    free(list.values);
}

/* "a/b/g a/b/g ..." */
static void check_runs(const moda_sweep_plan *plan, const char *want)
{
    moda_sweep_run *runs = NULL;
    size_t count = 0;
    char got[512] = "";
    must(moda_sweep_runs_list(plan, &runs, &count));
    for (size_t i = 0; i < count; i++) {
        char one[64];
        snprintf(one, sizeof one, "%s%g/%g/%g", i ? " " : "", runs[i].alpha, runs[i].beta,
                 runs[i].gamma);
        strcat(got, one);
    }
    cr_assert(eq(str, got, (char *)want));
    cr_assert(strncmp(runs[0].modules, runs[0].directory, strlen(runs[0].directory)) == 0);
    moda_sweep_runs_free(runs, count);
}

Test(sweep, runs_are_all_combinations_or_one_list_at_a_time)
{
    double two[] = {0.5, 2}, three[] = {0, 1, 3};
    moda_sweep_plan plan = {.directory = "d"};
    check_runs(&plan, "1/1/0.3");
    plan.alpha = (moda_reals){two, 2}, plan.gamma = (moda_reals){three, 3};
    check_runs(&plan, "0.5/1/0 0.5/1/1 0.5/1/3 2/1/0 2/1/1 2/1/3");
    plan.one_at_a_time = true;
    check_runs(&plan, "0.5/1/0.3 2/1/0.3 1/1/0.3 1/1/0 1/1/1 1/1/3");
    plan.beta = (moda_reals){three, 3}; /* beta 1 is the run of all defaults: once */
    plan.alpha = (moda_reals){0};
    check_runs(&plan, "1/1/0.3 1/0/0.3 1/3/0.3 1/1/0 1/1/1 1/1/3");
}

static void join(const moda_words *words, char *text)
{
    *text = 0;
    for (size_t i = 0; i < words->n; i++) {
        strcat(text, words->word[i]);
        strcat(text, " ");
    }
}

Test(sweep, a_command_line_is_divided)
{
    const char *text = NULL;
    bool flag = false;
    const moda_option data[] = {{MODA_OPTION_TEXT, "data", "S", "", &text, 0, 0, NULL}, {0}};
    const moda_option table[] = {{MODA_OPTION_TABLE, NULL, NULL, NULL, (void *)data, 0, 0, NULL},
                                 {MODA_OPTION_TEXT, "model", "M", "", &text, 0, 0, NULL},
                                 {MODA_OPTION_TEXT, "alpha", "L", "", &text, 0, 0, NULL},
                                 {MODA_OPTION_TEXT, "threads", "N", "", &text, 0, 0, NULL},
                                 {MODA_OPTION_TEXT, "placement", "P", "", &text, 0, 0, NULL},
                                 {MODA_OPTION_FLAG, "one-at-a-time", NULL, "", &flag, 0, 0, NULL},
                                 {0}};
    char *argv[] = {"sweep",
                    "--no-augment",
                    "--alpha=1,2",
                    "--data",
                    "x",
                    "--epochs",
                    "3",
                    "--lr=0.1",
                    "--activity",
                    "any",
                    "--model",
                    "m",
                    "--threads",
                    "2",
                    "--placement=node:0",
                    "--one-at-a-time",
                    NULL};
    int argc = 16;
    char kept[200] = "", train_text[200], decompose_text[200], **memory = NULL;
    moda_words train = {0}, decompose = {0};
    cr_assert(moda_words_have(argc, argv, "model") && moda_words_have(argc, argv, "alpha"));
    cr_assert(not(moda_words_have(argc, argv, "mode")));
    must(moda_words_split(data, table, &argc, argv, &train, &decompose, &memory));
    for (int i = 0; i < argc; i++) strcat(strcat(kept, argv[i]), " ");
    join(&train, train_text);
    join(&decompose, decompose_text);
    cr_assert(
        eq(str, kept,
           "sweep --alpha=1,2 --data x --model m --threads 2 --placement=node:0 --one-at-a-time "));
    cr_assert(
        eq(str, train_text,
           "--no-augment --data x --epochs 3 --lr=0.1 --model m --threads 2 --placement=node:0 "));
    cr_assert(eq(str, decompose_text, "--data x --activity any --threads 2 --placement=node:0 "));
    cr_assert(eq(str, (char *)moda_words_value(&train, "lr"), "0.1"));
    cr_assert(eq(str, (char *)moda_words_value(&decompose, "activity"), "any"));
    cr_assert(eq(ptr, (void *)moda_words_value(&train, "activity"), NULL));
    free(memory);
}

/* ---- thresholds ---- */

static moda_images draw_images(const moda_model *model, size_t n)
{
    const moda_rng rng = moda_rng_make(3, MODA_RNG_TEST, 1);
    const moda_shape in = model->net->input;
    moda_images x = {.n = n, .channels = in.c, .height = in.h, .width = in.w};
    x.pixels = malloc(n * in.c * in.h * in.w);
    x.labels = malloc(n * sizeof *x.labels);
    for (size_t i = 0; i < n * in.c * in.h * in.w; i++)
        x.pixels[i] = (uint8_t)moda_rng_below(rng, i, 256);
    for (size_t i = 0; i < n; i++) x.labels[i] = (uint32_t)(i % 10);
    return x;
}

static moda_rates *draw_rates(const moda_model *model)
{
    const moda_rng rng = moda_rng_make(4, MODA_RNG_TEST, 2);
    moda_rates *rates = NULL;
    must(moda_rates_create(model->net, &rates));
    for (size_t i = 0; i < rates->shape.elements; i++)
        rates->values[i] = (float)moda_rng_unit(rng, i);
    return rates;
}

Test(sweep, a_row_is_what_decomposing_and_reusing_give)
{
    moda_model *model = formula_model("lenet5", 10);
    moda_images images = draw_images(model, 50);
    size_t outputs[10], sizes[] = {2, 6};
    moda_subtasks *subtasks = NULL;
    double last = 1;
    moda_rates *rates = draw_rates(model);
    for (size_t k = 0; k < 10; k++) outputs[k] = k;
    must(moda_subtasks_choose(&(moda_subtask_choice){outputs, 10, {sizes, 2}, 4, 1}, &subtasks));
    const moda_sweep_options options = {.directory = test_folder(),
                                        .model = model,
                                        .rates = rates,
                                        .min_active = MODA_MIN_ACTIVE,
                                        .images = &images,
                                        .source = "drawn",
                                        .subtasks = subtasks,
                                        .batch_size = 16};
    for (int i = 1; i < 4; i++) {
        const double tau = 0.25 * i;
        moda_sweep_row row = {0};
        moda_masks *masks = NULL;
        moda_decomposition *d = NULL;
        moda_reuse *reuse = NULL;
        must(moda_sweep_tau(&options, tau, &row));
        must(moda_masks_from_rates(model->net, rates, tau, MODA_MIN_ACTIVE, &masks));
        must(moda_decomposition_measure(model, masks, &d));
        must(moda_reuse_run(&(moda_reuse_options){.model = model,
                                                  .masks = masks,
                                                  .images = &images,
                                                  .source = "drawn",
                                                  .subtasks = subtasks,
                                                  .batch_size = 50},
                            &reuse));
        cr_assert(eq(dbl, row.tau, tau));
        cr_assert(eq(dbl, row.size, d->mean_size));
        cr_assert(eq(dbl, row.overlap, d->mean_overlap));
        cr_assert(eq(dbl, row.flops, d->mean_flops));
        cr_assert(eq(sz, row.reuse.tasks, 8));
        cr_assert(eq(dbl, row.reuse.composed, reuse->by_size.composed));
        cr_assert(lt(dbl, row.size, last), "size does not fall with the threshold");
        last = row.size;
        moda_reuse_destroy(reuse);
        moda_decomposition_destroy(d);
        moda_masks_destroy(masks);
    }
    cr_assert(moda_is_file(test_path("sweep/tau-0.25.jsonl")));
    moda_rates_destroy(rates);
    moda_subtasks_destroy(subtasks);
    free(images.pixels);
    free(images.labels);
    moda_model_destroy(model);
}

/* The folder's name is no pattern. */
Test(sweep, runs_of_other_options_are_not_mixed)
{
    char *words[] = {"--model", "lenet5",   "--threads",    "2", "--epochs",
                     "3",       "--resume", "--time-limit", "1", "--checkpoint-steps=2"};
    moda_sweep_plan plan = {.directory = test_path("runs[1]"), .train = {words, 10}};
    bool results;
    must(moda_sweep_runs_begin(&plan, &results));
    words[5] = "4"; /* nothing has run yet: no harm */
    must(moda_sweep_runs_begin(&plan, &results));
    must(moda_make_directory(test_path("runs[1]/alpha-1_beta-1_gamma-0.3")));
    test_write("runs[1]/alpha-1_beta-1_gamma-0.3/model.safetensors", "finished");
    test_write("runs[1]/alpha-1_beta-1_gamma-0.3/config.json", "{}");
    words[3] = "1"; /* threads may change, and when it stops */
    plan.train.n = 6;
    must(moda_sweep_runs_begin(&plan, &results));
    words[5] = "5";
    cr_assert(eq(int, moda_sweep_runs_begin(&plan, &results), MODA_ERR_ARG));
    cr_assert(strstr(moda_last_error(), "other options") != NULL, "%s", moda_last_error());
}

/* ---- the table ---- */

static void check_printed(const moda_sweep_row *row, const char *head, const char *line)
{
    test_capture(1);
    moda_sweep_print(row, 1);
    char *text = test_captured();
    cr_assert(ne(ptr, strstr(text, head), NULL), "'%s' is not in:\n%s", head, text);
    cr_assert(ne(ptr, strstr(text, line), NULL), "'%s' is not in:\n%s", line, text);
    free(text);
}

Test(sweep, every_figure_has_a_column_of_its_own)
{
    moda_sweep_row row = {.alpha = 1, .beta = 2, .gamma = 0.5, .accuracy = 0.875, .tau = 0.9};
    row.size = 0.25, row.overlap = 0.125, row.flops = 0.5;
    row.reuse = (moda_reuse_mean){
        .tasks = 17, .composed = 0.75, .modular = 0.8125, .standard = NAN, .size = 1, .flops = 1};
    check_printed(&row, "tau    size  overlap   FLOPs  sub-tasks  composed  modular\n",
                  "0.9  0.2500   0.1250  0.5000         17    0.7500   0.8125\n");
    row.reuse.standard = 0.9375, row.trained = true;
    check_printed(
        &row, "alpha  beta  gamma  accuracy  tau    size  overlap",
        "    1     2    0.5    0.8750  0.9  0.2500   0.1250  0.5000         17    0.7500   "
        "0.8125    0.9375\n");
}
