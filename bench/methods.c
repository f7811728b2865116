/* bench/methods.c */
#include "bench/methods.h"
#include "base/csv.h"
#include "base/table.h"
#include "engine/model.h"
#include "engine/net_masked.h"
#include "numa/team.h"
#include <stdio.h>
#include <string.h>

enum {
    WARM_STEPS = 2,  /* clocks, caches, and the pages that only a step touches */
    LEAST_STEPS = 3, /* of a turn, for a median */
    MOST_STEPS = 1000
};

bool moda_methods_can_mask(const moda_net *net)
{
    moda_net *masked = NULL;
    const bool can = moda_net_add_masks(net, &masked) == MODA_OK;
    moda_net_destroy(can ? masked : NULL);
    return can;
}

static moda_status on_step(void *user, const moda_train_record *record)
{
    moda_method_row *row = user;
    return record->steps > WARM_STEPS ? moda_timings_add(&row->steps, record->seconds) : MODA_OK;
}

/* As many as fit into the time, by the last round's. */
static size_t steps_in(const moda_method_row *row, double seconds)
{
    const moda_timings *m = &row->medians;
    const double fit = m->n ? seconds / m->seconds[m->n - 1] : LEAST_STEPS;
    return fit < LEAST_STEPS ? LEAST_STEPS : fit > MOST_STEPS ? MOST_STEPS : (size_t)fit;
}

/* Some steps: the trainer is made anew, as it runs to its end, and not timed. */
static moda_status train(const moda_methods_bench *b, moda_method_row *row, double seconds)
{
    moda_status st = MODA_OK;
    moda_trainer *trainer = NULL;
    const bool modular = strcmp(row->method, "moda") == 0, masked = strcmp(row->method, "mwt") == 0;
    moda_dataset data = *b->data;
    data.test.n = 0; /* no pass over the test images behind the steps */
    const size_t per_epoch = (data.train.n + b->batch - 1) / b->batch;
    const size_t steps = WARM_STEPS + steps_in(row, seconds);
    const moda_train_options options = {.epochs = (steps + per_epoch - 1) / per_epoch,
                                        .max_steps = steps,
                                        .batch_size = b->batch,
                                        .sgd = {0.01, 0.9, 0},
                                        .modular = modular,
                                        .masked = masked,
                                        .weights = {1, 1, masked ? 0 : 0.3},
                                        .augment = true,
                                        .shuffle = true,
                                        .crop_padding = 4,
                                        .tuning = &row->tuning,
                                        .seed = b->seed};
    row->before = row->steps.n;
    MODA_TRY(moda_trainer_create(row->model, &data, &options, &trainer));
    MODA_TRY(moda_trainer_run(trainer, (moda_train_events){.user = row, .step = on_step}));
out:
    moda_trainer_destroy(trainer);
    return st;
}

static moda_session_row row_at(void *user, size_t i)
{
    moda_methods_bench *b = user;
    return (moda_session_row){b->rows[i].method, &b->rows[i].steps, &b->rows[i].time};
}

static moda_status measure(void *user, size_t i, double seconds)
{
    moda_status st = MODA_OK;
    moda_methods_bench *b = user;
    moda_method_row *row = &b->rows[i];
    moda_timing_summary summary;
    MODA_TRY(train(b, row, seconds));
    const moda_timings turn = {row->steps.seconds + row->before, row->steps.n - row->before, 0};
    MODA_TRY(moda_timings_summarise(&turn, &summary));
    MODA_TRY(moda_timings_add(&row->medians, summary.median));
out:
    return st;
}

/* After the run: in which order the rows of a round were measured is the session's affair. */
static moda_status compare(moda_methods_bench *b)
{
    moda_status st = MODA_OK;
    for (size_t i = 0; i < b->count; i++) {
        moda_method_row *row = &b->rows[i];
        for (size_t r = 0; r < row->medians.n; r++)
            MODA_TRY(moda_timings_add(&row->ratios,
                                      row->medians.seconds[r] / b->rows[0].medians.seconds[r]));
        MODA_TRY(moda_timings_summarise(&row->ratios, &row->ratio));
    }
out:
    return st;
}

static moda_status open_net(const moda_methods_bench *b, moda_net **net)
{
    const moda_images *x = &b->data->train;
    return moda_net_open(
        b->model, (moda_net_defaults){{x->channels, x->height, x->width}, b->data->classes}, net);
}

/* Takes the net over. */
static moda_status add_row(moda_methods_bench *b, const char *method, moda_net *net)
{
    moda_status st = MODA_OK;
    moda_tune_summary tuned;
    moda_method_row *row = &b->rows[b->count++];
    row->method = method;
    MODA_TRY(moda_model_create(net, &row->model));
    moda_model_init(row->model, b->seed);
    MODA_TRY(moda_model_describe_data(row->model, b->data));
    MODA_TRY(moda_tune(row->model->net, b->batch, moda_team_current()->threads, MODA_PRECISION_F32,
                       b->tune, &row->tuning, &tuned));
out:
    return st;
}

static moda_status add_rows(moda_methods_bench *b)
{
    moda_status st = MODA_OK;
    moda_net *plain = NULL, *net = NULL;
    MODA_TRY(open_net(b, &plain));
    MODA_TRY(open_net(b, &net));
    MODA_TRY(add_row(b, "standard", net));
    if (moda_methods_can_mask(plain)) {
        MODA_TRY(moda_net_add_masks(plain, &net));
        MODA_TRY(add_row(b, "mwt", net));
    }
    net = plain, plain = NULL;
    MODA_TRY(add_row(b, "moda", net));
out:
    moda_net_destroy(plain);
    return st;
}

moda_status moda_methods_run(moda_methods_bench *b)
{
    moda_status st = MODA_OK;
    MODA_CHECK(b->data->train.n, MODA_ERR_ARG, "%s has no training images: name data that has",
               b->data->name);
    if (b->batch > b->data->train.n) b->batch = b->data->train.n;
    MODA_TRY(add_rows(b));
    const moda_session_work work = {
        .label = "steps", .count = b->count, .user = b, .row = row_at, .measure = measure};
    MODA_TRY(moda_session_run(&b->session, &work));
    MODA_TRY(compare(b));
out:
    return st;
}

void moda_methods_free(moda_methods_bench *b)
{
    for (size_t i = 0; i < MODA_METHODS; i++) {
        moda_timings_free(&b->rows[i].steps);
        moda_timings_free(&b->rows[i].medians);
        moda_timings_free(&b->rows[i].ratios);
        moda_model_destroy(b->rows[i].model);
        moda_tuning_free(&b->rows[i].tuning);
    }
    moda_session_free(&b->session);
}

/* ---- figures ---- */

static void tables(const void *bench)
{
    const moda_methods_bench *b = bench;
    moda_table *t = moda_table_create(
        "network|>batch|method|>steps|>ms/step|>spread|>of standard|>from|>to|>images/s");
    for (size_t i = 0; i < b->count; i++) {
        const moda_method_row *r = &b->rows[i];
        moda_table_row(t, "%s|%zu|%s|%zu|%.3f|%.1f %%|%.3f|%.3f|%.3f|%.0f", b->model, b->batch,
                       r->method, r->time.n, 1e3 * r->time.median,
                       100 * moda_timing_spread(&r->time), r->ratio.median, r->ratio.low,
                       r->ratio.high, (double)b->batch / r->time.median);
    }
    moda_table_print(t);
    moda_table_destroy(t);
    printf("of standard: median of %zu rounds' ratios, and its %.0f %% interval\n",
           b->rows[0].ratio.n, 100 * b->rows[0].ratio.confidence);
}

static json_t *head(const void *bench)
{
    const moda_methods_bench *b = bench;
    return json_pack("{s:s s:o s:o s:I}", "benchmark", "methods", "model", moda_json_text(b->model),
                     "data", moda_json_text(b->data->name), "batch_size", (json_int_t)b->batch);
}

static json_t *row_json(const void *bench, size_t i)
{
    const moda_methods_bench *b = bench;
    const moda_method_row *r = &b->rows[i];
    json_t *ratios = json_array();
    for (size_t k = 0; k < r->ratios.n; k++)
        if (json_array_append_new(ratios, moda_json_number(r->ratios.seconds[k])) != 0) {
            json_decref(ratios);
            return NULL;
        }
    json_t *row =
        json_pack("{s:s s:o s:o s:o s:o s:o}", "method", r->method, "ratio",
                  moda_json_number(r->ratio.median), "ratio_low", moda_json_number(r->ratio.low),
                  "ratio_high", moda_json_number(r->ratio.high), "ratio_confidence",
                  moda_json_number(r->ratio.confidence), "ratios", ratios);
    if (row && moda_timing_json(&r->time, row) != MODA_OK) json_decref(row), row = NULL;
    return row;
}

static void csv_heads(const void *bench, FILE *to)
{
    (void)bench;
    fputs("network,batch,method,steps,median_seconds,low_seconds,high_seconds,ratio,ratio_low,"
          "ratio_high",
          to);
}

static void csv_row(const void *bench, size_t i, FILE *to)
{
    const moda_methods_bench *b = bench;
    const moda_method_row *r = &b->rows[i];
    moda_csv_text(to, b->model);
    fprintf(to, ",%zu,%s,%zu,%.9f,%.9f,%.9f,%.6f,%.6f,%.6f\n", b->batch, r->method, r->time.n,
            r->time.median, r->time.low, r->time.high, r->ratio.median, r->ratio.low,
            r->ratio.high);
}

moda_results moda_methods_results(const moda_methods_bench *b)
{
    return (moda_results){b,         &b->session, NULL,     tables,    head,
                          "methods", b->count,    row_json, csv_heads, csv_row};
}
