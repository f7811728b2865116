/* tests/test_net.c - engine/net.h: what descriptions mean. Refusals are in test_net_errors.c,
 * properties of random graphs in test_net_random.c. */
#include "base/file.h"
#include "engine/net.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <string.h>

TestSuite(net, .timeout = 60);

static const moda_net_defaults usual = {{3, 32, 32}, 10};

#define HEAD "[net]\n"                                     /* line 1 */
#define TAIL "[linear]\nname = last\noutputs = classes\n"  /* three lines */
#define CONV "[conv]\nname = c\noutputs = 8\nkernel = 3\n" /* four lines */

/* Parses what must be right. */
static moda_net *parse(const char *text)
{
    moda_net *net = NULL;
    cr_assert(eq(int, moda_net_parse(text, "t.net", usual, &net), MODA_OK), "%s\n%s",
              moda_last_error(), text);
    return net;
}

static moda_net *open_builtin(const char *name, moda_net_defaults defaults)
{
    moda_net *net = NULL;
    cr_assert(eq(int, moda_net_open(name, defaults, &net), MODA_OK), "%s: %s", name,
              moda_last_error());
    return net;
}

static size_t index_of(const moda_net *net, const char *name)
{
    for (size_t i = 0; i < net->layer_count; i++)
        if (strcmp(net->layers[i].name, name) == 0) return i;
    cr_assert(false, "no layer '%s'", name);
    return 0;
}

static bool says(const char *part)
{
    return strstr(moda_last_error(), part) != NULL;
}

Test(net, what_is_left_to_the_data_must_come_from_it)
{
    const char *text = HEAD CONV TAIL;
    const moda_net_defaults no_input = {{0, 0, 0}, 10}, no_classes = {{3, 32, 32}, 0};
    moda_net *net = NULL;
    cr_assert(eq(int, moda_net_parse(text, "t.net", no_input, &net), MODA_ERR_FORMAT));
    cr_assert(says("t.net:1: the size of the input is not known"), "%s", moda_last_error());
    cr_assert(eq(int, moda_net_parse(text, "t.net", no_classes, &net), MODA_ERR_FORMAT));
    cr_assert(says("t.net:6: 'outputs = classes'"), "%s", moda_last_error());
    /* ... and what is written wins over it. */
    cr_assert(eq(
        int, moda_net_parse("[net]\ninput = 1 8 9\nclasses = 4\n" CONV TAIL, "t.net", usual, &net),
        MODA_OK));
    cr_assert(eq(sz, net->input.c, 1));
    cr_assert(eq(sz, net->input.w, 9));
    cr_assert(eq(sz, net->classes, 4));
    moda_net_destroy(net);
}

Test(net, comments_blanks_and_line_ends_do_not_matter)
{
    moda_net *net = parse("  # a comment\r\n\r\n[ net ]\r\n\tname=x # why not\r\n[conv]\r\n"
                          "name=c\r\noutputs =8\r\n  kernel= 5\r\n" TAIL);
    cr_assert(eq(str, net->name, "x"));
    cr_assert(eq(sz, net->layers[1].kernel, 5));
    cr_assert(eq(sz, net->layers[1].line, 5));
    moda_net_destroy(net);
}

Test(net, shapes_and_defaults)
{
    moda_net *net = parse("[net]\ninput = 4 31 17\n"
                          "[conv]\nname = c\noutputs = 6\nkernel = 3\nstride = 2\npadding = 1\n"
                          "groups = 2\nbias = no\n"
                          "[batchnorm]\nname = b\n"
                          "[relu]\n"
                          "[maxpool]\nkernel = 3\npadding = 1\n"
                          "[avgpool]\nkernel = 2\nstride = 1\n"
                          "[linear]\nname = f\noutputs = 10\n");
    static const moda_shape want[] = {{4, 31, 17}, {6, 16, 9}, {6, 16, 9}, {6, 16, 9},
                                      {6, 6, 3},   {6, 5, 2},  {10, 1, 1}};
    cr_assert(eq(sz, net->layer_count, 7));
    for (size_t i = 0; i < 7; i++) {
        const moda_shape s = net->layers[i].shape;
        cr_assert(s.c == want[i].c && s.h == want[i].h && s.w == want[i].w,
                  "layer %zu: %zux%zux%zu, wanted %zux%zux%zu", i, s.c, s.h, s.w, want[i].c,
                  want[i].h, want[i].w);
    }
    cr_assert(eq(sz, net->layers[4].stride, 3)); /* a pool's stride is its kernel */
    cr_assert(not(net->layers[1].bias));
    cr_assert(net->layers[6].bias);
    cr_assert(eq(dbl, net->layers[2].eps, 1e-5));
    cr_assert(eq(dbl, net->layers[2].momentum, 0.1));
    cr_assert(eq(int, net->conv_init, MODA_INIT_KAIMING_FAN_OUT));
    cr_assert(eq(int, net->linear_init, MODA_INIT_NORMAL));
    cr_assert(eq(sz, net->tracked_count, 1));
    cr_assert(eq(sz, net->tracked[0], 3));
    /* 6 outputs of 2 inputs, 3x3, at 16x9 places; 60 features to 10 */
    cr_assert(eq(u64, moda_layer_flops(net, 1), 6 * 2 * 9 * 16 * 9));
    cr_assert(eq(u64, moda_layer_flops(net, 6), 600));
    cr_assert(eq(u64, moda_layer_flops(net, 2), 0));
    moda_net_destroy(net);
}

Test(net, words_stand_for_sizes)
{
    moda_net *net = parse("[net]\ninput = 8 6 6\n"
                          "[conv]\nname = d\noutputs = 16\nkernel = 3\ngroups = depthwise\n"
                          "[conv]\nname = p\noutputs = classes\nkernel = 1\n"
                          "[avgpool]\nkernel = global\n");
    cr_assert(eq(sz, net->layers[1].groups, 8));
    cr_assert(eq(sz, net->layers[2].shape.c, 10));
    cr_assert(eq(sz, net->layers[3].kernel, 4));
    cr_assert(eq(sz, net->layers[3].shape.h, 1));
    cr_assert(eq(sz, net->classes, 10));
    moda_net_destroy(net);
}

Test(net, a_layer_may_name_one_that_is_written_later)
{
    moda_net *net = parse("[net]\n"
                          "[add]\nname = sum\nfrom = side, main\n"
                          "[conv]\nname = side\nfrom = input\noutputs = 4\nkernel = 1\n"
                          "[relu]\nname = main\nfrom = norm\n"
                          "[batchnorm]\nname = norm\nfrom = first\n"
                          "[conv]\nname = first\nfrom = input\noutputs = 4\nkernel = 3\n"
                          "padding = 1\n"
                          "[linear]\nname = out\nfrom = sum\noutputs = classes\n");
    static const char *const order[] = {"input", "side", "first", "norm", "main", "sum", "out"};
    for (size_t i = 0; i < 7; i++) {
        const size_t at = index_of(net, order[i]);
        for (size_t k = 0; k < 2 && i > 0; k++) cr_assert(lt(sz, net->layers[at].input[k], at));
    }
    const moda_layer *sum = &net->layers[index_of(net, "sum")];
    cr_assert(eq(sz, sum->input[0], index_of(net, "side")));
    cr_assert(eq(sz, sum->input[1], index_of(net, "main")));
    cr_assert(eq(str, net->layers[net->layer_count - 1].name, "out"));
    cr_assert(eq(sz, moda_net_consumers(net, 0), 2));
    cr_assert(eq(sz, moda_net_consumers(net, index_of(net, "main")), 1));
    cr_assert(eq(sz, moda_net_consumers(net, index_of(net, "out")), 0));
    moda_net_destroy(net);
}

Test(net, names_are_made_up_around_taken_ones)
{
    moda_net *net = parse(HEAD CONV "[relu]\n[maxpool]\nkernel = 2\n[relu]\n"
                                    "[linear]\nname = relu2\noutputs = 5\n[relu]\n" TAIL);
    static const char *const names[] = {"input", "c",     "relu1", "maxpool1",
                                        "relu3", "relu2", "relu4", "last"};
    for (size_t i = 0; i < 8; i++) cr_assert(eq(str, net->layers[i].name, (char *)names[i]));
    moda_net_destroy(net);
}

Test(net, parameters_stand_one_after_the_other)
{
    moda_net *net = parse("[net]\ninput = 4 6 6\n"
                          "[conv]\nname = a.0\noutputs = 6\nkernel = 3\ngroups = 2\n"
                          "[batchnorm]\nname = a.1\n"
                          "[relu]\n"
                          "[linear]\nname = f\noutputs = classes\nbias = no\n");
    static const struct {
        const char *name;
        size_t rank, shape[4], elements;
    } want[] = {
        {"a.0.weight", 4, {6, 2, 3, 3}, 108},
        {"a.0.bias", 1, {6}, 6},
        {"a.1.weight", 1, {6}, 6},
        {"a.1.bias", 1, {6}, 6},
        {"a.1.running_mean", 1, {6}, 6},
        {"a.1.running_var", 1, {6}, 6},
        {"f.weight", 2, {10, 96}, 960},
    };
    moda_parameter_list list;
    size_t offset = 0;
    cr_assert(eq(int, moda_net_parameters(net, &list), MODA_OK));
    cr_assert(eq(sz, list.count, 7));
    for (size_t i = 0; i < 7; i++) {
        const moda_parameter *p = &list.items[i];
        cr_assert(eq(str, p->name, (char *)want[i].name));
        cr_assert(eq(sz, p->rank, want[i].rank), "%s", p->name);
        for (size_t k = 0; k < p->rank; k++)
            cr_assert(eq(sz, p->shape[k], want[i].shape[k]), "%s", p->name);
        cr_assert(eq(sz, p->elements, want[i].elements), "%s", p->name);
        cr_assert(eq(sz, p->offset, offset), "%s", p->name);
        offset += p->elements;
    }
    cr_assert(eq(sz, list.elements, offset));
    cr_assert(eq(sz, list.trainable, offset - 12));
    moda_parameter_list_free(&list);
    moda_net_destroy(net);
}

/* ---- built-in networks ---- */

static size_t trainable(const moda_net *net)
{
    moda_parameter_list list;
    cr_assert(eq(int, moda_net_parameters(net, &list), MODA_OK));
    const size_t n = list.trainable;
    moda_parameter_list_free(&list);
    return n;
}

/* On ImageNet their parameters are counted in the literature; on 32x32 images with ten classes the
 * published VGG-16 has 33,646,666. */
Test(net, builtins_have_the_published_sizes)
{
    const moda_net_defaults imagenet = {{3, 224, 224}, 1000};
    static const struct {
        const char *name;
        size_t trainable, tracked;
    } want[] = {
        {"vgg11", 132868840, 10},
        {"vgg13", 133053736, 12},
        {"vgg16", 138365992, 15},
        {"vgg19", 143678248, 18},
    };
    const char *const *names = moda_net_builtin_names();
    cr_assert(eq(str, (char *)names[0], "lenet5"));
    for (size_t i = 0; i < 4; i++) {
        cr_assert(eq(str, (char *)names[i + 1], (char *)want[i].name));
        moda_net *net = open_builtin(want[i].name, imagenet);
        cr_expect(eq(sz, trainable(net), want[i].trainable), "%s", want[i].name);
        cr_expect(eq(sz, net->tracked_count, want[i].tracked), "%s", want[i].name);
        cr_expect(eq(str, net->name, (char *)want[i].name));
        moda_net_destroy(net);
    }
    static const struct {
        const char *name;
        size_t trainable, tracked;
    } small[] = {{"lenet5", 62006, 4},
                 {"vgg16", 33646666, 15},
                 {"resnet18", 11173962, 17},
                 {"resnet34", 21282122, 33},
                 {"mobilenet", 3217226, 27}};
    for (size_t i = 0; i < sizeof small / sizeof *small; i++) {
        moda_net *net = open_builtin(small[i].name, usual);
        cr_expect(eq(sz, trainable(net), small[i].trainable), "%s", small[i].name);
        cr_expect(eq(sz, net->tracked_count, small[i].tracked), "%s", small[i].name);
        moda_net_destroy(net);
    }
    cr_expect(eq(str, (char *)names[7], "mobilenet"));
    cr_assert(names[8] == NULL);
}

Test(net, builtin_layers_have_the_published_names)
{
    moda_net *net = open_builtin("vgg16", usual);
    cr_assert(eq(int, net->layers[index_of(net, "features.0")].kind, MODA_LAYER_CONV));
    cr_assert(eq(int, net->layers[index_of(net, "features.6")].kind, MODA_LAYER_MAXPOOL));
    cr_assert(eq(int, net->layers[index_of(net, "features.41")].kind, MODA_LAYER_BATCHNORM));
    cr_assert(eq(sz, net->layers[index_of(net, "classifier.2")].shape.c, 4096));
    cr_assert(eq(sz, index_of(net, "classifier.4"), net->layer_count - 1));
    cr_assert(eq(int, net->conv_init, MODA_INIT_KAIMING_FAN_OUT));
    moda_net_destroy(net);
    net = open_builtin("lenet5", usual);
    cr_assert(eq(int, net->linear_init, MODA_INIT_UNIFORM_FAN_IN));
    cr_assert(eq(sz, net->layers[index_of(net, "fc1")].shape.c, 120));
    moda_net_destroy(net);
    net = open_builtin("resnet18", usual);
    cr_assert(eq(sz, net->layers[index_of(net, "layer2.0.downsample.0")].stride, 2));
    cr_assert(eq(sz, net->layers[index_of(net, "layer4.1.bn2")].shape.h, 4));
    cr_assert(eq(sz, index_of(net, "fc"), net->layer_count - 1));
    moda_net_destroy(net);
    net = open_builtin("mobilenet", usual);
    cr_assert(eq(sz, net->layers[index_of(net, "layers.12.conv1")].groups, 1024));
    cr_assert(eq(sz, net->layers[index_of(net, "layers.11.conv1")].shape.h, 2));
    cr_assert(eq(int, net->linear_init, MODA_INIT_NORMAL));
    moda_net_destroy(net);
}

/* ---- lists of channels ---- */

Test(net, selected_channels_are_read_and_printed)
{
    static const struct {
        const char *written, *printed;
    } lists[] = {{"0-3 5 zero 7 4*zero", "0-3 5 zero 7 4*zero"},
                 {"1\t2   3 7-7", "1-3 7"},
                 {"zero zero 1*zero", "3*zero"},
                 {"9 8 0", "9 8 0"}};
    const uint32_t want[] = {0, 1, 2, 3, 5, MODA_SELECT_ZERO, 7};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        char *text = moda_format("[net]\ninput = 10 2 2\n[select]\nname = s\nchannels = %s\n"
                                 "[linear]\nname = f\noutputs = classes\n",
                                 lists[i].written);
        char *line = moda_format("\nchannels = %s\n", lists[i].printed), *printed = NULL;
        moda_net *net = parse(text);
        const moda_layer *l = &net->layers[1];
        if (i == 0) {
            cr_assert(eq(sz, l->shape.c, 11));
            cr_assert(l->shape.h == 2 && l->shape.w == 2);
            cr_assert(zero(int, memcmp(l->channels, want, sizeof want)));
        }
        cr_assert(eq(int, moda_net_print(net, &printed), MODA_OK));
        cr_assert(strstr(printed, line) != NULL, "%s\n%s", line, printed);
        moda_net_destroy(net);
        free(text), free(line), free(printed);
    }
}

Test(net, builtins_refuse_inputs_that_are_too_small)
{
    const moda_net_defaults tiny = {{1, 16, 16}, 2};
    moda_net *net = NULL;
    cr_assert(eq(int, moda_net_open("vgg16", tiny, &net), MODA_ERR_FORMAT)); /* five pools */
    cr_assert(says("larger than the 1x1 map of 'features.43'"), "%s", moda_last_error());
}
