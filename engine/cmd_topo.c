/* engine/cmd_topo.c - `moda topo`: the machine as moda sees it, the plan of a network's memory, and
 * whether the kernel has put it there. */
#include "base/file.h"
#include "engine/cmd_topo_internal.h"
#include "engine/cmd_train_internal.h"
#include "engine/commands.h"
#include "numa/threads.h"
#include <omp.h>
#include <stdlib.h>

const char *const moda_topo_against[] = {"placement", "sliced", NULL};
enum { AGAINST_PLACEMENT, AGAINST_SLICED };

/* ---- options ---- */

static moda_status settle(moda_topo *t)
{
    moda_status st = MODA_OK;
    MODA_CHECK(!t->verify || t->model_name, MODA_ERR_ARG,
               "--verify needs a network to run: give --model, as in --model vgg16");
    MODA_CHECK(!t->verify || !t->synthetic, MODA_ERR_ARG,
               "--verify runs on this machine, --synthetic describes another: give one of them");
    MODA_CHECK(t->against == AGAINST_PLACEMENT || t->verify, MODA_ERR_ARG,
               "--against says how --verify judges: give --verify, too");
    MODA_CHECK(t->precision != MODA_PRECISION_AUTO, MODA_ERR_ARG,
               "--precision auto goes by measurements, which are not made here: say f32 or bf16");
out:
    return st;
}

static moda_status parse(const moda_command *self, int argc, char **argv, moda_topo *t, bool *help)
{
    moda_status st = MODA_OK;
    moda_option common[MODA_COMMON_OPTION_COUNT];
    moda_common_options_table(&t->common, common);
    const moda_option table[] = {
        {MODA_OPTION_TEXT, "model", "NAME|FILE.net", "show the plan of this network's training",
         &t->model_name, 0, 0, NULL},
        {MODA_OPTION_SIZE, "batch-size", "N", "samples of a batch (128)", &t->batch_size, 1, 1e9,
         NULL},
        {MODA_OPTION_CHOICE, "precision", "P", "of the training: f32 or bf16 (f32)", &t->precision,
         0, 0, moda_train_precisions},
        {MODA_OPTION_FLAG, "verify", NULL,
         "train two steps, ask the kernel for every page; fail below 95% on the right node",
         &t->verify, 0, 0, NULL},
        {MODA_OPTION_CHOICE, "against", "P",
         "judge by the placement or by the sliced plan (placement; of first-touch: sliced)",
         &t->against, 0, 0, moda_topo_against},
        {MODA_OPTION_TEXT, "synthetic", "TEXT",
         "a machine that is not here, as hwloc describes it: 'node:2 core:4 pu:2'", &t->synthetic,
         0, 0, NULL},
        {MODA_OPTION_TABLE, NULL, NULL, NULL, common, 0, 0, NULL},
        {MODA_OPTION_END, NULL, NULL, NULL, NULL, 0, 0, NULL},
    };
    char **operands = NULL;
    size_t count = 0;
    MODA_TRY(moda_options_parse(self, table, argc, argv, 0, 0, &operands, &count, help));
    if (!*help) MODA_TRY(settle(t));
out:
    return st;
}

/* ---- the machine ---- */

/* Threads of a machine that is not here only count: oneDNN's plans depend on how many there are. */
static moda_status describe_machine(moda_topo *t)
{
    moda_status st = MODA_OK;
    const moda_team_wish wish = moda_threads_wish(&t->common);
    MODA_TRY(moda_topology_synthetic(t->synthetic, NULL, &t->topology));
    MODA_TRY(moda_team_predict(t->topology, &wish, &t->predicted));
    if (t->common.placement) MODA_TRY(moda_placement_parse(t->common.placement, &t->placement));
    bool there = t->placement.wish != MODA_PLACE_NODE;
    for (size_t i = 0; i < moda_topology_nodes(t->topology); i++)
        there |= moda_topology_node(t->topology, i)->os_index == t->placement.node;
    MODA_CHECK(there, MODA_ERR_ARG, "--placement node:%u: '%s' has no such node", t->placement.node,
               t->synthetic);
    t->placement.team = t->predicted;
    omp_set_num_threads((int)t->predicted->threads);
out:
    return st;
}

static moda_status look_at_machine(moda_topo *t)
{
    moda_status st = MODA_OK;
    size_t threads;
    MODA_TRY(moda_topology_load(&t->topology));
    MODA_TRY(moda_threads_start(&t->common, &threads));
    t->placement = moda_placement_current();
out:
    return st;
}

/* ---- the network ---- */

static moda_status open_net(moda_topo *t)
{
    moda_status st = MODA_OK;
    const moda_shape usual = {3, 32, 32};
    moda_net *net = NULL;
    /* Ten classes only where nobody says how many: a description may well do so itself. */
    st = moda_net_open(t->model_name, (moda_net_defaults){usual, 0}, &net);
    if (st == MODA_ERR_FORMAT)
        st = moda_net_open(t->model_name, (moda_net_defaults){usual, 10}, &net);
    if (st != MODA_OK) goto out;
    MODA_TRY(moda_model_create(net, &t->model));
out:
    return st;
}

static moda_status compile(moda_topo *t)
{
    moda_status st = MODA_OK;
    const moda_executor_options options = {.batch = t->batch_size,
                                           .training = true,
                                           .modular = true,
                                           .precision = (moda_precision)t->precision};
    MODA_TRY(moda_weights_create(t->model->net, &t->weights));
    MODA_TRY(moda_executor_create(t->weights, &options, &t->executor));
out:
    return st;
}

/* Two steps of a real training, with a test, on images made up for the network. */
static moda_status train(moda_topo *t)
{
    moda_status st = MODA_OK;
    const moda_net *net = t->model->net;
    const moda_train_options options = {
        .epochs = 1,
        .batch_size = t->batch_size,
        .sgd = {.learning_rate = 1e-4, .momentum = 0.9},
        .modular = true,
        .weights = {.affinity = 1, .dispersion = 1, .compactness = 0.3},
        .precision = (moda_precision)t->precision};
    char *spec =
        moda_format("synthetic:classes=%zu,channels=%zu,size=%zu,train=%zu,test=%zu", net->classes,
                    net->input.c, net->input.h, 2 * t->batch_size, t->batch_size);
    MODA_CHECK(spec, MODA_ERR_NOMEM, "out of memory");
    MODA_CHECK(net->input.h == net->input.w, MODA_ERR_ARG,
               "--verify: %s takes %zux%zu images, made-up ones are square", t->model_name,
               net->input.h, net->input.w);
    MODA_TRY(moda_dataset_open(spec, NULL, &t->data));
    MODA_TRY(moda_model_describe_data(t->model, t->data));
    moda_model_init(t->model, t->common.seed);
    MODA_TRY(moda_trainer_create(t->model, t->data, &options, &t->trainer));
    MODA_TRY(moda_trainer_run(t->trainer, (moda_train_events){0}));
    t->executor = moda_trainer_executor(t->trainer);
out:
    free(spec);
    return st;
}

/* ---- the verdict ---- */

static moda_status ask(moda_topo *t)
{
    moda_placement by = t->placement;
    if (t->against == AGAINST_SLICED || by.wish == MODA_PLACE_LOCAL) by.wish = MODA_PLACE_SLICED;
    return moda_places_ask(t->executor, &by, t->places);
}

double moda_topo_share(const moda_place_row *row)
{
    return row->pages ? (double)row->right / (double)row->pages : 1;
}

moda_topo_verdict moda_topo_judge(const moda_places *places)
{
    moda_topo_verdict v = {0};
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): made by ask() */
    for (size_t i = 0; i < places->count; i++) {
        const moda_place_row *row = &places->row[i];
        if (!row->layer || !row->pages) continue;
        v.pages += row->pages, v.right += row->right;
        if (!v.worst || moda_topo_share(row) < moda_topo_share(v.worst)) v.worst = row;
    }
    return v;
}

static moda_status check(const moda_topo *t)
{
    moda_status st = MODA_OK;
    const moda_topo_verdict v = moda_topo_judge(t->places);
    const double share = v.worst ? moda_topo_share(v.worst) : 0;
    MODA_CHECK(v.worst, MODA_ERR_INTERNAL, "no page of %s was touched", t->model_name);
    MODA_CHECK(
        share >= MODA_TOPO_SHARE, MODA_ERR_IO,
        "layer %s: %.1f%% of its pages are on the right node, at least %.0f%% should be: look "
        "for warnings about binding and full nodes above, and use --placement sliced with "
        "--bind cores",
        v.worst->name, 100 * share, 100 * MODA_TOPO_SHARE);
out:
    return st;
}

/* ---- the command ---- */

static moda_status find_out(moda_topo *t)
{
    moda_status st = MODA_OK;
    MODA_TRY(t->synthetic ? describe_machine(t) : look_at_machine(t));
    if (!t->model_name) goto out;
    MODA_TRY(open_net(t));
    MODA_TRY(t->verify ? train(t) : compile(t));
    MODA_TRY(moda_places_create(t->executor, &t->placement, &t->places));
    if (t->verify) MODA_TRY(ask(t));
out:
    return st;
}

static moda_status run(const moda_command *self, int argc, char **argv)
{
    moda_status st = MODA_OK;
    moda_topo t = {.batch_size = 128};
    bool help = false;
    MODA_TRY(parse(self, argc, argv, &t, &help));
    if (help) goto out;
    MODA_TRY(find_out(&t));
    moda_topo_print_machine(&t);
    if (t.places) moda_topo_print_plan(&t);
    if (t.verify) moda_topo_print_pages(&t);
    if (t.common.json) MODA_TRY(moda_topo_write_json(&t));
    if (t.verify) MODA_TRY(check(&t));
out:
    moda_places_destroy(t.places);
    if (t.weights) moda_executor_destroy(t.executor); /* else the trainer's */
    moda_weights_destroy(t.weights);
    moda_trainer_destroy(t.trainer);
    moda_model_destroy(t.model);
    moda_dataset_destroy(t.data);
    moda_team_destroy(t.predicted);
    moda_topology_destroy(t.topology);
    return st;
}

const moda_command moda_command_topo = {
    .name = "topo",
    .summary = "show NUMA nodes, threads, and on which node a training's memory lies",
    .operands = "",
    .example = "moda topo --model vgg16 --batch-size 128 --verify",
    .run = run,
};
