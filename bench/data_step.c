/* bench/data_step.c - a training step of a network for a data set's images. */
#include "base/rng.h"
#include "bench/data_internal.h"

static void make_up(moda_rng rng, float scale, float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) x[i] = scale * (float)(moda_rng_unit(rng, i) - 0.5);
}

moda_status moda_data_step_create(const char *network, const moda_dataset *data, size_t batch,
                                  uint64_t seed, moda_data_step *step)
{
    moda_status st = MODA_OK;
    moda_net *net = NULL;
    const moda_images *images = data->train.n ? &data->train : &data->test;
    const moda_shape in = {images->channels, images->height, images->width};
    const moda_executor_options options = {.batch = batch, .training = true};
    const moda_rng rng = moda_rng_make(seed, MODA_RNG_SYNTHETIC, 0);
    *step = (moda_data_step){0};
    MODA_TRY(moda_net_open(network, (moda_net_defaults){in, data->classes}, &net));
    MODA_TRY(moda_model_create(net, &step->model)); /* takes the net, also when it fails */
    moda_model_init(step->model, seed);
    net = step->model->net;
    MODA_CHECK(net->input.c == in.c && net->input.h == in.h && net->input.w == in.w, MODA_ERR_ARG,
               "%s has inputs of %zux%zux%zu, the images of %s are %zux%zux%zu", network,
               net->input.c, net->input.h, net->input.w, data->name, in.c, in.h, in.w);
    MODA_TRY(moda_weights_create(net, &step->weights));
    MODA_TRY(moda_executor_create(step->weights, &options, &step->executor));
    MODA_TRY(moda_workspace_create((moda_executor *[]){step->executor}, 1, &step->workspace));
    MODA_TRY(moda_weights_load(step->weights, step->model));
    make_up(rng, 2, moda_executor_input(step->executor), batch * in.c * in.h * in.w);
    make_up(rng, 0.1f / (float)batch, moda_executor_d_logits(step->executor), batch * net->classes);
out:
    if (st != MODA_OK) moda_data_step_free(step);
    return st;
}

moda_status moda_data_step_call(void *state)
{
    moda_status st = MODA_OK;
    moda_data_step *s = state;
    MODA_TRY(moda_executor_forward(s->executor));
    MODA_TRY(moda_executor_backward(s->executor));
    moda_weights_update(s->weights, (moda_sgd){1e-6, 0.9, 0});
out:
    return st;
}

void moda_data_step_free(moda_data_step *s)
{
    moda_workspace_destroy(s->workspace);
    moda_executor_destroy(s->executor);
    moda_weights_destroy(s->weights);
    moda_model_destroy(s->model);
    *s = (moda_data_step){0};
}
