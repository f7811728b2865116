/* engine/cmd_train_pause.c - when moda train writes a checkpoint, and when it stops: by a signal
 * or because its time is nearly over. */
#include "base/duration.h"
#include "base/log.h"
#include "base/progress.h"
#include "engine/checkpoint.h"
#include "engine/cmd_train_internal.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A guess for the first one, until one has been written: a slow disk. */
static const double slow_disk = 50e6; /* bytes/s */
/* Of the time limit: for what cannot be foreseen. */
static const double spare = 1;

void moda_train_pause_table(moda_train_pause *p, moda_option table[MODA_TRAIN_PAUSE_COUNT])
{
    *p = (moda_train_pause){.minutes = 10, .keep = 2};
    const moda_option options[MODA_TRAIN_PAUSE_COUNT] = {
        {MODA_OPTION_FLAG, "resume", NULL,
         "go on with the run in DIR, all options from its config.json; start it if there is none",
         &p->resume, 0, 0, NULL},
        {MODA_OPTION_FLAG, "resume-anyway", NULL,
         "the same on another machine or thread count: rounds differently", &p->anyway, 0, 0, NULL},
        {MODA_OPTION_REAL, "checkpoint-minutes", "X",
         "a checkpoint every X minutes; 0: none by time (default 10)", &p->minutes, 0, 1e6, NULL},
        {MODA_OPTION_SIZE, "checkpoint-epochs", "N", "a checkpoint every N epochs, too", &p->epochs,
         1, 1e6, NULL},
        {MODA_OPTION_SIZE, "checkpoint-steps", "N", "a checkpoint every N steps, too", &p->steps, 1,
         1e12, NULL},
        {MODA_OPTION_SIZE, "keep-checkpoints", "N", "keep the last N (default 2)", &p->keep, 1, 1e6,
         NULL},
        {MODA_OPTION_TEXT, "time-limit", "2h30m",
         "end within this time with a checkpoint and exit code 75; 90: minutes", &p->limit_text, 0,
         0, NULL},
        {0}};
    memcpy(table, options, sizeof options);
}

moda_status moda_train_pause_settle(moda_train_pause *p)
{
    moda_status st = MODA_OK;
    p->resume |= p->anyway;
    if (p->limit_text) MODA_TRY(moda_duration_parse("time-limit", p->limit_text, &p->limit));
out:
    return st;
}

/* ---- signals ---- */

static const int caught[] = {SIGINT, SIGTERM, SIGUSR1};
enum { CAUGHT = sizeof caught / sizeof *caught };
static struct sigaction before[CAUGHT];
static volatile sig_atomic_t received;

static void remember(int number)
{
    received = number;
}

/* An ignored SIGINT stays so: a shell's background job. Only the first SIGINT is caught. */
static void catch_signals(void)
{
    received = 0;
    for (int i = 0; i < CAUGHT; i++) {
        struct sigaction action = {.sa_handler = remember, .sa_flags = SA_RESTART};
        if (caught[i] == SIGINT) action.sa_flags |= (int)SA_RESETHAND;
        sigemptyset(&action.sa_mask);
        sigaction(caught[i], NULL, &before[i]);
        if (before[i].sa_handler != SIG_IGN) sigaction(caught[i], &action, NULL);
    }
}

static void release_signals(void)
{
    for (int i = 0; i < CAUGHT; i++) sigaction(caught[i], &before[i], NULL);
}

/* ---- stopping ---- */

static double write_seconds(const moda_train_command *c)
{
    const moda_parameter_list *list = &c->model->parameters;
    const size_t floats = list->elements + list->trainable;
    return c->pause.written ? c->pause.write_seconds : (double)(floats * sizeof(float)) / slow_disk;
}

/* Asked before every step and every batch of the test, so the time since the last question is
 * what the next one may take. The longest counts, and is slowly forgotten: a machine that was
 * busy for a while is not for ever. */
static bool stop(void *user)
{
    moda_train_command *c = user;
    moda_train_pause *p = &c->pause;
    const double now = moda_seconds(), pace = now - p->asked;
    p->longest = pace > 0.9 * p->longest ? pace : 0.9 * p->longest;
    p->asked = now;
    if (received) {
        snprintf(p->why, sizeof p->why, "by %s",
                 received == SIGINT    ? "SIGINT"
                 : received == SIGTERM ? "SIGTERM"
                                       : "SIGUSR1");
        return true;
    }
    const double needed = 2 * p->longest + 1.5 * write_seconds(c) + spare;
    if (!p->limit || now - c->started + needed < p->limit) return false;
    snprintf(p->why, sizeof p->why, "by --time-limit %s", p->limit_text);
    return true;
}

/* ---- checkpoints ---- */

static moda_status write_checkpoint(moda_train_command *c)
{
    moda_status st = MODA_OK;
    moda_train_pause *p = &c->pause;
    const double start = moda_seconds();
    moda_checkpoint_info info = {.position = moda_trainer_position(c->trainer),
                                 .data = moda_checkpoint_data(c->data),
                                 .machine = moda_tuning_machine_here(c->threads),
                                 .tuning = c->tuning};
    char *folder = moda_run_checkpoints(c->out);
    /* Whatever comes of it, the next one is as far away as ever. */
    p->last = start, p->last_step = info.position.steps, p->last_epoch = info.position.epoch;
    MODA_CHECK(folder, MODA_ERR_NOMEM, "out of memory");
    MODA_TRY(moda_run_sync(c->run, &info.metrics_bytes, &info.steps_bytes));
    MODA_TRY(moda_checkpoint_write(folder, p->keep, c->trainer, c->model, &info));
    p->written = true, p->good_step = info.position.steps;
    p->write_seconds = moda_seconds() - start;
out:
    free(folder);
    return st;
}

static bool due(const moda_train_pause *p, const moda_train_position *at)
{
    return (p->steps && at->steps - p->last_step >= p->steps) ||
           (p->epochs && at->epoch - p->last_epoch >= p->epochs) ||
           (p->minutes > 0 && moda_seconds() - p->last >= p->minutes * 60);
}

void moda_train_checkpoint_if_due(moda_train_command *c)
{
    const moda_train_options *o = &c->options;
    const moda_train_position at = moda_trainer_position(c->trainer);
    char good[64];
    /* Behind the last step of an epoch its record comes first; behind all of them the model
     * does. */
    const bool record_next = at.samples == c->data->train.n;
    const bool done = at.epoch == o->epochs || (o->max_steps && at.steps >= o->max_steps);
    if (record_next || done || !due(&c->pause, &at) || write_checkpoint(c) == MODA_OK) return;
    snprintf(good, sizeof good, "the last one is of step %zu", c->pause.good_step);
    moda_log(MODA_LOG_WARNING, "no checkpoint at step %zu: %s; the run goes on, %s", at.steps,
             moda_last_error(), c->pause.written ? good : "there is none yet");
}

/* ---- the training between signals ---- */

/* A call with --resume goes on by itself, and so does a command that makes such a call. */
static moda_status end_stopped(moda_train_command *c)
{
    moda_status st = MODA_OK;
    const size_t step = moda_trainer_position(c->trainer).steps;
    MODA_TRY(moda_fail_context(write_checkpoint(c), "stopped %s at step %zu without a checkpoint",
                               c->pause.why, step));
    MODA_CHECK(!c->pause.resume, MODA_STOPPED, "stopped %s at step %zu: the same call goes on",
               c->pause.why, step);
    MODA_CHECK(false, MODA_STOPPED,
               "stopped %s at step %zu: `moda train --out %s --resume` goes on", c->pause.why, step,
               c->out);
out:
    return st;
}

moda_status moda_train_until_stopped(moda_train_command *c, moda_train_events events)
{
    moda_status st = MODA_OK;
    const moda_train_position at = moda_trainer_position(c->trainer);
    moda_train_pause *p = &c->pause;
    p->last = p->asked = moda_seconds();
    p->last_step = at.steps, p->last_epoch = at.epoch;
    events.stop = stop;
    catch_signals();
    st = moda_trainer_run(c->trainer, events);
    if (st == MODA_STOPPED) st = end_stopped(c);
    release_signals(); /* not before: a batch system repeats itself */
    return st;
}
