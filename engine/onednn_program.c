/* engine/onednn_program.c - building, planning, binding and running an array of steps. */
#include "base/progress.h"
#include "engine/onednn_internal.h"
#include <stdlib.h>
#include <string.h>

/* Makes room for one more element; *items may move. */
static moda_status grow(void **items, size_t count, size_t *capacity, size_t size)
{
    moda_status st = MODA_OK;
    if (count == *capacity) {
        const size_t wanted = *capacity ? 2 * *capacity : 32;
        void *more = realloc(*items, wanted * size);
        MODA_CHECK(more, MODA_ERR_NOMEM, "out of memory: %zu bytes", wanted * size);
        *items = more, *capacity = wanted;
    }
out:
    return st;
}

moda_status moda_program_buffer(moda_program *p, moda_home home, size_t bytes, size_t *buffer)
{
    moda_status st = MODA_OK;
    MODA_TRY(grow((void **)&p->buffers, p->buffer_count, &p->buffer_capacity, sizeof *p->buffers));
    p->buffers[p->buffer_count] =
        (moda_buffer){.home = home, .bytes = bytes, .parameter = MODA_NONE};
    *buffer = p->buffer_count++;
out:
    return st;
}

moda_status moda_program_samples(moda_program *p, moda_home home, size_t bytes, size_t *buffer)
{
    moda_status st = MODA_OK;
    MODA_TRY(moda_program_buffer(p, home, bytes, buffer));
    p->buffers[*buffer].sliced = true;
out:
    return st;
}

static moda_status new_step(moda_program *p, const char *layer, moda_step **step)
{
    moda_status st = MODA_OK;
    MODA_TRY(grow((void **)&p->steps, p->count, &p->capacity, sizeof *p->steps));
    *step = &p->steps[p->count++];
    **step = (moda_step){.layer = layer};
out:
    return st;
}

/* Memory objects are made without memory: moda_program_bind() tells them where it is. */
static moda_status add_argument(moda_step *s, dnnl_engine_t engine, const moda_argument *a)
{
    moda_status st = MODA_OK;
    dnnl_memory_t memory = NULL;
    MODA_DNNL(dnnl_memory_create(&memory, a->layout, engine, DNNL_MEMORY_NONE), "memory", s->layer);
    s->argument[s->count] = (dnnl_exec_arg_t){a->id, memory};
    s->buffer[s->count++] = a->buffer;
out:
    return st;
}

moda_status moda_program_primitive(moda_program *p, dnnl_engine_t engine, const char *layer,
                                   const_dnnl_primitive_desc_t desc, size_t count,
                                   const moda_argument *arguments)
{
    moda_status st = MODA_OK;
    moda_step *s = NULL;
    MODA_TRY(new_step(p, layer, &s));
    for (size_t i = 0; i < count; i++) MODA_TRY(add_argument(s, engine, &arguments[i]));
    const dnnl_memory_desc_t *scratch =
        dnnl_primitive_desc_query_md(desc, dnnl_query_scratchpad_md, 0);
    if (scratch && dnnl_memory_desc_get_size(scratch)) {
        moda_argument a = {DNNL_ARG_SCRATCHPAD, 0, scratch};
        MODA_TRY(moda_program_buffer(p, MODA_HOME_WORKSPACE, dnnl_memory_desc_get_size(scratch),
                                     &a.buffer));
        MODA_TRY(add_argument(s, engine, &a));
    }
    MODA_DNNL(dnnl_primitive_create(&s->primitive, desc), "primitive", layer);
out:
    return st;
}

moda_status moda_program_kernel(moda_program *p, const char *layer, moda_step_kernel kernel,
                                size_t count, const size_t *buffers, moda_step **step)
{
    moda_status st = MODA_OK;
    MODA_TRY(new_step(p, layer, step));
    (*step)->kernel = kernel;
    (*step)->count = count;
    memcpy((*step)->buffer, buffers, count * sizeof *buffers);
out:
    return st;
}

moda_status moda_program_reorder(moda_program *p, const moda_weights *w, const char *layer,
                                 size_t from, const dnnl_memory_desc_t *from_layout, size_t to,
                                 const dnnl_memory_desc_t *to_layout)
{
    moda_status st = MODA_OK;
    dnnl_primitive_desc_t desc = NULL;
    const moda_argument arguments[] = {{DNNL_ARG_FROM, from, from_layout},
                                       {DNNL_ARG_TO, to, to_layout}};
    MODA_DNNL(dnnl_reorder_primitive_desc_create(&desc, from_layout, w->engine, to_layout,
                                                 w->engine, w->attributes),
              "reorder", layer);
    MODA_TRY(moda_program_primitive(p, w->engine, layer, desc, 2, arguments));
out:
    dnnl_primitive_desc_destroy(desc);
    return st;
}

void moda_program_lifetimes(const moda_program *p, moda_plan_buffer *plan)
{
    for (size_t i = 0; i < p->buffer_count; i++) {
        const moda_buffer *b = &p->buffers[i];
        plan[i] = (moda_plan_buffer){.bytes = b->home == MODA_HOME_WORKSPACE ? b->bytes : 0,
                                     .first = MODA_NONE,
                                     .sliced = b->sliced};
    }
    for (size_t s = 0; s < p->count; s++)
        for (size_t a = 0; a < p->steps[s].count; a++) {
            moda_plan_buffer *b = &plan[p->steps[s].buffer[a]];
            if (b->first == MODA_NONE) b->first = s;
            b->last = s;
        }
}

moda_status moda_program_bind(moda_program *p)
{
    moda_status st = MODA_OK;
    for (size_t s = 0; s < p->count; s++) {
        const moda_step *step = &p->steps[s];
        for (size_t a = 0; step->primitive && a < step->count; a++)
            MODA_DNNL(dnnl_memory_set_data_handle(step->argument[a].memory,
                                                  p->buffers[step->buffer[a]].memory),
                      "memory", step->layer);
    }
out:
    return st;
}

static moda_status run_step(const moda_program *p, dnnl_stream_t stream, size_t s)
{
    moda_status st = MODA_OK;
    const moda_step *step = &p->steps[s];
    if (step->primitive) {
        MODA_DNNL(dnnl_primitive_execute(step->primitive, stream, (int)step->count, step->argument),
                  "execution", step->layer);
    } else {
        void *at[MODA_STEP_ARGUMENTS];
        for (size_t a = 0; a < step->count; a++) at[a] = p->buffers[step->buffer[a]].memory;
        step->kernel(step, at);
    }
out:
    return st;
}

/* oneDNN over OpenMP computes within the call that submits (its stream only counts), so the clock
 * before and after a step tells what the step took. */
static moda_status run_timed(const moda_program *p, dnnl_stream_t stream, size_t s)
{
    moda_status st = MODA_OK;
    const double begin = moda_seconds();
    MODA_TRY(run_step(p, stream, s));
    moda_profile_record(p->profile, p->first_part + s, begin, moda_seconds());
out:
    return st;
}

moda_status moda_program_run(const moda_program *p, dnnl_stream_t stream, size_t from, size_t to,
                             bool fresh_weights)
{
    moda_status st = MODA_OK;
    const bool timed = p->profile && moda_profile_recording(p->profile);
    for (size_t s = from; s < to; s++) {
        if (p->steps[s].weights_only && !fresh_weights) continue;
        if (timed)
            MODA_TRY(run_timed(p, stream, s));
        else
            MODA_TRY(run_step(p, stream, s));
    }
    MODA_DNNL(dnnl_stream_wait(stream), "wait", "-");
out:
    return st;
}

void moda_program_free(moda_program *p)
{
    for (size_t s = 0; s < p->count; s++) {
        for (size_t a = 0; a < p->steps[s].count; a++)
            dnnl_memory_destroy(p->steps[s].argument[a].memory);
        dnnl_primitive_destroy(p->steps[s].primitive);
    }
    for (size_t b = 0; b < p->buffer_count; b++)
        if (p->buffers[b].home == MODA_HOME_OWN) moda_own_destroy(&p->buffers[b]);
    free(p->steps);
    free(p->buffers);
    *p = (moda_program){0};
}
