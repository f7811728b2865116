/* engine/profile_json.c - a profile's figures as JSON, and its steps in Chrome's trace format. */
#include "base/isa.h"
#include "engine/profile.h"
#include <math.h>

/* ---- figures ---- */

static json_t *time_json(moda_profile_time time)
{
    return json_pack("{s:o s:o}", "seconds", moda_json_number(time.seconds), "share",
                     moda_json_number(time.share));
}

static json_t *part_json(const moda_profile *p, size_t index)
{
    const moda_profile_part *part = moda_profile_part_at(p, index);
    const moda_profile_time time = moda_profile_part_time(p, index);
    return json_pack("{s:o s:s s:s s:o s:o s:o s:o s:o s:o}", "layer", moda_json_text(part->layer),
                     "pass", moda_pass_name(part->pass), "kind", moda_work_name(part->work),
                     "kernel", moda_json_text(part->kernel), "shape", moda_json_text(part->shape),
                     "seconds", moda_json_number(time.seconds), "share",
                     moda_json_number(time.share), "flops", moda_json_number(part->flops), "bytes",
                     moda_json_number(part->bytes));
}

json_t *moda_profile_json(const moda_profile *p)
{
    const moda_profile_peaks peaks = moda_profile_limits(p);
    json_t *parts = json_array(), *kinds = json_object(), *all = NULL;
    bool whole = parts && kinds;
    for (size_t i = 0; whole && i < moda_profile_parts(p); i++)
        whole = json_array_append_new(parts, part_json(p, i)) == 0;
    for (moda_work w = 0; whole && w < MODA_WORK_COUNT; w++)
        whole = json_object_set_new(kinds, moda_work_name(w),
                                    time_json(moda_profile_work_time(p, w))) == 0;
    if (whole)
        all = json_pack("{s:I s:I s:o s:o s:o s:o s:o s:O s:O}", "warmup_steps",
                        (json_int_t)MODA_PROFILE_WARMUP, "steps", (json_int_t)moda_profile_steps(p),
                        "peak_flops", moda_json_number(peaks.flops), "peak_bandwidth",
                        moda_json_number(peaks.bandwidth), "all_parts",
                        time_json(moda_profile_all_parts(p)), "rest",
                        time_json(moda_profile_rest(p)), "whole_step",
                        time_json(moda_profile_whole_step(p)), "kinds", kinds, "parts", parts);
    json_decref(parts);
    json_decref(kinds);
    return all;
}

/* ---- trace ---- */

/* Microseconds, to the nanosecond: what a clock can tell, in few digits. */
static json_t *microseconds(double seconds)
{
    return json_real(round(seconds * 1e9) / 1e3);
}

static json_t *rate(double amount, double seconds)
{
    return moda_json_number(seconds > 0 ? amount / seconds * 1e-9 : NAN);
}

/* Complete events ("X") of one thread: viewers stack those that lie within others. */
static json_t *event(json_t *name, const char *category, double begin, double seconds,
                     json_t *arguments)
{
    return json_pack("{s:o s:s s:s s:o s:o s:i s:i s:o}", "name", name, "cat", category, "ph", "X",
                     "ts", microseconds(begin), "dur", microseconds(seconds), "pid", 1, "tid", 1,
                     "args", arguments);
}

static json_t *step_event(const moda_profile *p, size_t step, double origin)
{
    return event(json_sprintf("step %zu", MODA_PROFILE_WARMUP + step + 1), "step",
                 moda_profile_step_begin(p, step) - origin, moda_profile_step_seconds(p, step),
                 json_object());
}

static json_t *part_event(const moda_profile *p, size_t step, size_t index, double origin)
{
    const moda_profile_part *part = moda_profile_part_at(p, index);
    const double seconds = moda_profile_seconds(p, step, index);
    const char *pass = moda_pass_name(part->pass);
    char name[sizeof part->layer + 32];
    snprintf(name, sizeof name, "%s%s%s", part->layer, *pass ? " " : "", pass);
    json_t *arguments =
        json_pack("{s:o s:o s:o s:o s:o s:o}", "kernel", moda_json_text(part->kernel), "shape",
                  moda_json_text(part->shape), "flops", moda_json_number(part->flops), "GFLOP/s",
                  part->flops > 0 ? rate(part->flops, seconds) : json_null(), "bytes",
                  moda_json_number(part->bytes), "GB/s", rate(part->bytes, seconds));
    return event(moda_json_text(name), moda_work_name(part->work),
                 moda_profile_begin(p, step, index) - origin, seconds, arguments);
}

static json_t *naming(const char *what, json_t *name)
{
    return json_pack("{s:s s:s s:i s:i s:{s:o}}", "name", what, "ph", "M", "pid", 1, "tid", 1,
                     "args", "name", name);
}

/* All events; false when out of memory. */
static bool add_events(const moda_profile *p, const char *title, json_t *events)
{
    const double origin = moda_profile_steps(p) ? moda_profile_step_begin(p, 0) : 0;
    bool whole =
        json_array_append_new(events, naming("process_name", moda_json_text(title))) == 0 &&
        json_array_append_new(events, naming("thread_name", json_string("step"))) == 0;
    for (size_t s = 0; whole && s < moda_profile_steps(p); s++) {
        whole = json_array_append_new(events, step_event(p, s, origin)) == 0;
        for (size_t i = 0; whole && i < moda_profile_parts(p); i++)
            if (moda_profile_seconds(p, s, i) > 0) /* it ran in this step */
                whole = json_array_append_new(events, part_event(p, s, i, origin)) == 0;
    }
    return whole;
}

moda_status moda_profile_write_trace(const moda_profile *p, const char *title, const char *path)
{
    moda_status st = MODA_OK;
    const moda_profile_peaks peaks = moda_profile_limits(p);
    json_t *trace = NULL, *events = json_array();
    MODA_CHECK(events && add_events(p, title, events), MODA_ERR_NOMEM, "out of memory");
    trace = json_pack("{s:O s:s s:{s:o s:o s:s}}", "traceEvents", events, "displayTimeUnit", "ms",
                      "otherData", "peak_flops", moda_json_number(peaks.flops), "peak_bandwidth",
                      moda_json_number(peaks.bandwidth), "kernels", moda_isa_name(moda_isa_best()));
    MODA_CHECK(trace, MODA_ERR_NOMEM, "out of memory");
    MODA_TRY(moda_json_write(path, trace));
out:
    json_decref(events);
    json_decref(trace);
    return st;
}
