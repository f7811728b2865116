/* tests/test_net_masked.c - engine/net_masked.h: where masks are put, how wide, and that a network
 * without its masks is the one it was. */
#include "engine/net_masked.h"
#include "tests/random_graph.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <string.h>

TestSuite(net_masked, .timeout = 60);

static const moda_net_defaults usual = {{3, 32, 32}, 10};

static moda_net *open_builtin(const char *name)
{
    moda_net *net = NULL;
    cr_assert(eq(int, moda_net_open(name, usual, &net), MODA_OK), "%s", moda_last_error());
    return net;
}

static moda_net *add_masks(const moda_net *plain)
{
    moda_net *masked = NULL;
    cr_assert(eq(int, moda_net_add_masks(plain, &masked), MODA_OK), "%s", moda_last_error());
    return masked;
}

static char *print(const moda_net *net)
{
    char *text = NULL;
    cr_assert(eq(int, moda_net_print(net, &text), MODA_OK), "%s", moda_last_error());
    return text;
}

static bool ends_in(const char *name, const char *suffix)
{
    const size_t n = strlen(name), k = strlen(suffix);
    return n >= k && strcmp(name + n - k, suffix) == 0;
}

static const moda_layer *layer_called(const moda_net *net, const char *name)
{
    for (size_t i = 0; i < net->layer_count; i++)
        if (strcmp(net->layers[i].name, name) == 0) return &net->layers[i];
    cr_assert(false, "no layer '%s'", name);
    return NULL;
}

/* One mask and what computes it, against the definition. */
static void check_mask(const moda_net *net, const moda_layer *mask)
{
    const moda_layer *norm = &net->layers[mask->input[0]], *fc2 = &net->layers[mask->input[1]];
    const moda_layer *relu = &net->layers[fc2->input[0]], *fc1 = &net->layers[relu->input[0]];
    const moda_layer *mean = &net->layers[fc1->input[0]], *conv = &net->layers[norm->input[0]];
    const size_t c = mask->shape.c;
    cr_assert(eq(int, norm->kind, MODA_LAYER_BATCHNORM));
    cr_assert(eq(int, conv->kind, MODA_LAYER_CONV));
    cr_assert(eq(int, fc2->kind, MODA_LAYER_LINEAR));
    cr_assert(eq(int, relu->kind, MODA_LAYER_RELU));
    cr_assert(eq(int, fc1->kind, MODA_LAYER_LINEAR));
    cr_assert(eq(int, mean->kind, MODA_LAYER_AVGPOOL));
    cr_assert(eq(sz, mean->input[0], conv->input[0]));
    cr_assert(mean->shape.h == 1 && mean->shape.w == 1);
    cr_assert(eq(sz, fc1->shape.c, c < 128 ? c : c / 2));
    cr_assert(eq(sz, fc2->shape.c, c));
    cr_assert(not(fc1->bias));
    cr_assert(fc2->bias);
    cr_assert(eq(dbl, fc2->bias_init, 1));
    cr_assert(fc1->init == MODA_INIT_KAIMING_FAN_IN && fc2->init == MODA_INIT_KAIMING_FAN_IN);
    cr_assert(not(relu->tracked));
    cr_assert(ends_in(mask->name, ".mask"));
    cr_assert(eq(sz, moda_net_consumers(net, mask->input[0]), 1)); /* all others read the mask */
}

static void check_back(const moda_net *plain, const moda_net *masked)
{
    moda_net *stripped = NULL;
    cr_assert(eq(int, moda_net_strip_masks(masked, &stripped), MODA_OK), "%s", moda_last_error());
    char *was = print(plain), *is = print(stripped);
    cr_assert(eq(str, is, was));
    free(was), free(is);
    moda_net_destroy(stripped);
}

static void check_round_trip(const moda_net *net)
{
    char *once = print(net), *twice;
    moda_net *again = NULL;
    cr_assert(eq(int, moda_net_parse(once, "again", (moda_net_defaults){0}, &again), MODA_OK), "%s",
              moda_last_error());
    twice = print(again);
    cr_assert(eq(str, twice, once));
    cr_assert(eq(sz, again->mask_count, net->mask_count));
    cr_assert(eq(sz, again->tracked_count, net->tracked_count));
    moda_net_destroy(again);
    free(once), free(twice);
}

/* Batch norms behind convolutions less one; a downsampling convolution reads what conv1 reads, whose mean
 * it shares. */
Test(net_masked, builtins_get_a_mask_per_batch_norm_but_the_first)
{
    static const struct {
        const char *name;
        size_t masks, means;
    } want[] = {{"vgg16", 12, 12}, {"resnet18", 19, 16}, {"mobilenet", 26, 26}};
    for (size_t i = 0; i < 3; i++) {
        moda_net *plain = open_builtin(want[i].name), *net = add_masks(plain);
        cr_assert(eq(sz, plain->mask_count, 0));
        cr_assert(eq(sz, net->mask_count, want[i].masks), "%s", want[i].name);
        cr_assert(eq(sz, net->tracked_count, plain->tracked_count), "%s", want[i].name);
        cr_assert(eq(sz, net->layer_count, plain->layer_count + 4 * want[i].masks + want[i].means));
        for (size_t k = 0; k < net->mask_count; k++) check_mask(net, &net->layers[net->masks[k]]);
        check_round_trip(net);
        check_back(plain, net);
        moda_net_destroy(plain);
        moda_net_destroy(net);
    }
}

/* VGG-16's masks add 9 * 512 * 512/2 ... parameters: counted by hand, layer by layer. */
Test(net_masked, vgg16_has_the_tensors_of_its_masks)
{
    moda_net *plain = open_builtin("vgg16"), *net = add_masks(plain);
    moda_parameter_list without, with;
    const size_t in[] = {64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512};
    const size_t out[] = {64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512};
    size_t more = 0;
    for (size_t i = 0; i < 12; i++) {
        const size_t hidden = out[i] < 128 ? out[i] : out[i] / 2;
        more += hidden * in[i] + out[i] * hidden + out[i];
    }
    cr_assert(eq(int, moda_net_parameters(plain, &without), MODA_OK));
    cr_assert(eq(int, moda_net_parameters(net, &with), MODA_OK));
    cr_assert(eq(sz, with.trainable, without.trainable + more));
    for (size_t i = 0, k = 0; i < without.count; i++) { /* all are there, in order */
        while (k < with.count && strcmp(with.items[k].name, without.items[i].name) != 0) k++;
        cr_assert(lt(sz, k, with.count), "%s", without.items[i].name);
    }
    const moda_layer *fc2 = layer_called(net, "features.4.mask.fc2");
    cr_assert(eq(sz, fc2->shape.c, 64));
    layer_called(net, "features.4.mask.fc1");
    layer_called(net, "features.4.mask.mean");
    cr_assert(
        eq(str, net->layers[layer_called(net, "features.5")->input[0]].name, "features.4.mask"));
    moda_parameter_list_free(&without);
    moda_parameter_list_free(&with);
    moda_net_destroy(plain);
    moda_net_destroy(net);
}

Test(net_masked, refusals)
{
    moda_net *net = NULL, *lenet = open_builtin("lenet5");
    cr_assert(eq(int, moda_net_add_masks(lenet, &net), MODA_ERR_ARG));
    cr_assert(strstr(moda_last_error(), "lenet5 has nothing to mask") != NULL, "%s",
              moda_last_error());
    moda_net_destroy(lenet);
    moda_net *plain = open_builtin("vgg11"), *masked = add_masks(plain);
    cr_assert(eq(int, moda_net_add_masks(masked, &net), MODA_ERR_ARG));
    cr_assert(strstr(moda_last_error(), "has masks already") != NULL, "%s", moda_last_error());
    check_back(plain, plain); /* nothing to take away */
    moda_net_destroy(plain);
    moda_net_destroy(masked);
}

Test(net_masked, random_graphs_come_back)
{
    size_t masks = 0, graphs = 0;
    for (uint64_t seed = 0; seed < 200; seed++) {
        random_source s = random_seed(seed);
        moda_model *model = random_graph(&s, false);
        moda_net *net = NULL;
        if (moda_net_add_masks(model->net, &net) == MODA_OK) {
            for (size_t k = 0; k < net->mask_count; k++)
                check_mask(net, &net->layers[net->masks[k]]);
            check_round_trip(net);
            check_back(model->net, net);
            masks += net->mask_count, graphs++;
        }
        moda_net_destroy(net);
        moda_model_destroy(model);
    }
    cr_assert(lt(sz, 50, graphs));
    cr_assert(lt(sz, 2 * graphs, masks));
}
