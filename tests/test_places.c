/* tests/test_places.c - engine/places.h, and training whose activations are sliced over the nodes of a
 * team made by hand: the same bits, and pages judged as the slices say. */
#include "base/log.h"
#include "engine/places.h"
#include "engine/trainer.h"
#include "numa/memory.h"
#include "numa/placement_internal.h"
#include "tests/small_net.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static moda_team_node two_nodes[] = {{0, 0, 1}, {1, 1, 1}};
static const moda_team two = {.threads = 2, .nodes = 2, .node = two_nodes};
static moda_team_node many_nodes[] = {{3, 0, 5}, {0, 5, 0}, {1, 5, 2}};
static const moda_team many = {.threads = 7, .nodes = 3, .node = many_nodes};
static moda_team_node one_node[] = {{0, 0, 2}};
static const moda_team one = {.threads = 2, .nodes = 1, .node = one_node};

/* Says yes and does nothing: all pages stay on the nodes that there are. */
static int agree(void *at, size_t bytes, const unsigned *os_index, size_t count, bool move)
{
    (void)move, (void)at, (void)bytes, (void)os_index, (void)count;
    return 0;
}

static void setup(void)
{
    moda_log_set_level(MODA_LOG_WARNING);
    moda_bind_memory = agree;
    omp_set_dynamic(0);
    omp_set_num_threads(2);
}

TestSuite(places, .init = setup, .timeout = 120);

static void must(moda_status st)
{
    cr_assert(eq(int, st, MODA_OK), "%s", moda_last_error());
}

/* Branches, a batch norm, both ways of a ReLU, a pool: buffers of many sizes and lifetimes. */
static const char body[] =
    "[conv];name=a;outputs=16;kernel=3;padding=1;[batchnorm];name=n;[relu];name=r;"
    "[conv];name=b;outputs=16;kernel=3;padding=1;[add];name=s;from=b, r;[relu];name=t;"
    "[maxpool];kernel=2;[conv];name=c;outputs=24;kernel=3;[relu];[linear];name=l;outputs=4";
static const moda_train_options usual = {.epochs = 2,
                                         .batch_size = 16,
                                         .sgd = {0.05, 0.9, 0},
                                         .modular = true,
                                         .weights = {1, 1, 0.3},
                                         .augment = true,
                                         .shuffle = true,
                                         .crop_padding = 2,
                                         .seed = 1};

/* ---- the same bits ---- */

/* Trained values and the workspace of a training on that team, with a smaller last batch and a test. */
static float *trained(const moda_team *team, moda_policy wish, size_t *elements, size_t *bytes)
{
    moda_dataset *data;
    moda_trainer *trainer;
    const moda_placement p = {.wish = wish};
    moda_placement_team = team;
    must(moda_placement_set(&p));
    must(moda_dataset_open("synthetic:classes=4,channels=3,size=16,train=56,test=24", NULL, &data));
    cr_assert(eq(int, data->train.replicas != NULL, team->nodes > 1 && wish == MODA_PLACE_SLICED));
    moda_model *model = small_model("3 16 16", body, 4);
    must(moda_model_describe_data(model, data));
    must(moda_trainer_create(model, data, &usual, &trainer));
    *bytes = moda_trainer_bytes(trainer);
    must(moda_trainer_run(trainer, (moda_train_events){0}));
    *elements = model->parameters.elements;
    float *values = malloc(*elements * sizeof *values);
    memcpy(values, model->values, *elements * sizeof *values);
    moda_trainer_destroy(trainer);
    moda_model_destroy(model);
    moda_dataset_destroy(data);
    return values;
}

Test(places, sliced_training_gives_the_same_bits)
{
    const moda_team *teams[] = {&two, &many, &two, &one};
    const moda_policy wishes[] = {MODA_PLACE_SLICED, MODA_PLACE_SLICED, MODA_PLACE_INTERLEAVED,
                                  MODA_PLACE_SLICED};
    size_t n, bytes, same_n, same_bytes;
    float *want = trained(&one, MODA_PLACE_SLICED, &n, &bytes);
    for (size_t i = 0; i < 4; i++) {
        float *got = trained(teams[i], wishes[i], &same_n, &same_bytes);
        cr_assert(eq(sz, same_n, n));
        cr_assert(zero(int, memcmp(want, got, n * sizeof *want)), "team %zu", i);
        if (i < 2)
            cr_assert(lt(sz, bytes, same_bytes), "slices take more room: else this proves nothing");
        else
            cr_assert(eq(sz, same_bytes, bytes), "nothing sliced: the plan of one node");
        free(got);
    }
    free(want);
}

/* ---- the plan ---- */

static small_net make(moda_model **model, const moda_team *team, moda_policy wish)
{
    const moda_placement p = {.wish = wish};
    moda_placement_team = team;
    must(moda_placement_set(&p));
    *model = small_model("3 16 16", body, 4);
    return small_create(*model,
                        (moda_executor_options){.batch = 32, .training = true, .modular = true});
}

static void destroy(small_net *s, moda_model *model, moda_places *places)
{
    moda_places_destroy(places);
    small_destroy(s);
    moda_model_destroy(model);
}

static void step(const small_net *s)
{
    float *x = small_values(32 * 3 * 16 * 16, 3);
    uint32_t *labels = small_labels(32, 4);
    const moda_modular_weights w = {1, 1, 0.3};
    small_forward(s, x);
    small_backward(s, labels, &w);
    free(x), free(labels);
}

Test(places, planned_bytes_add_up)
{
    moda_model *model;
    moda_places *p;
    small_net s = make(&model, &one, MODA_PLACE_SLICED);
    const moda_placement placement = {.team = &many, .wish = MODA_PLACE_SLICED};
    must(moda_places_create(s.executor, &placement, &p));
    cr_assert(eq(sz, p->homes, 3));
    cr_assert(eq(uint, p->os_index[0], 3));
    cr_assert(eq(sz, p->workspace_one_node, moda_workspace_bytes(s.workspace)));
    cr_assert(lt(sz, p->workspace_one_node, p->workspace));
    const size_t page = moda_page_bytes();
    size_t layers = 0, sum = 0;
    for (size_t i = 0; i < p->count; i++) {
        const moda_place_row *row = &p->row[i];
        size_t planned = 0;
        for (size_t k = 0; k < 3; k++) planned += row->planned[k];
        cr_assert(ge(sz, planned, row->bytes), "%s", row->name);
        cr_assert(le(sz, planned, row->bytes + 20 * page), "%s", row->name);
        if (row->layer && row->bytes > 100 * page) { /* 5, 0, 2 threads */
            const double share = (double)row->planned[0] / (double)planned;
            cr_assert(epsilon_eq(dbl, share, 5.0 / 7, 0.02), "%s", row->name);
            cr_assert(eq(sz, row->planned[1], 0));
            layers++;
        }
        sum += row->bytes;
    }
    cr_assert(lt(sz, 3, layers), "%zu large layers prove nothing", layers);
    cr_assert(eq(sz, sum, moda_executor_bytes_unshared(s.executor) + moda_weights_bytes(s.weights)),
              "every byte is in one row");
    destroy(&s, model, p);
}

/* ---- the judge: all pages are on node 0, whatever the plan is ---- */

static double share_of_layers(const moda_team *team, moda_policy wish, unsigned node)
{
    moda_model *model;
    moda_places *p;
    small_net s = make(&model, &one, MODA_PLACE_SLICED);
    const moda_placement by = {.team = team, .wish = wish, .node = node};
    size_t pages = 0, right = 0;
    step(&s);
    must(moda_places_create(s.executor, &by, &p));
    must(moda_places_ask(s.executor, &by, p));
    for (size_t i = 0; i < p->count; i++) {
        if (!p->row[i].layer) continue;
        pages += p->row[i].pages, right += p->row[i].right;
        cr_assert(eq(int, p->row[i].pages > 0, p->row[i].bytes > 0), "%s", p->row[i].name);
    }
    cr_assert(lt(sz, 500, pages), "%zu pages prove nothing", pages);
    destroy(&s, model, p);
    return (double)right / (double)pages;
}

/* Which node this machine's memory is on, if it has one: else the next tests say nothing. */
static bool one_node_here(void)
{
    return moda_node_free(moda_node_files, 0) != SIZE_MAX &&
           moda_node_free(moda_node_files, 1) == SIZE_MAX;
}

Test(places, pages_are_judged_by_slice)
{
    if (!one_node_here()) cr_skip("on one node only");
    cr_assert(eq(dbl, share_of_layers(&one, MODA_PLACE_SLICED, 0), 1.0));
    cr_assert(epsilon_eq(dbl, share_of_layers(&two, MODA_PLACE_SLICED, 0), 0.5, 0.05));
    cr_assert(eq(dbl, share_of_layers(&many, MODA_PLACE_SLICED, 0), 0.0), "node 0 has no threads");
    cr_assert(eq(dbl, share_of_layers(&two, MODA_PLACE_NODE, 0), 1.0));
    cr_assert(eq(dbl, share_of_layers(&two, MODA_PLACE_NODE, 1), 0.0));
}
