#include "decompose/compose.h"
#include "decompose/metrics.h"
#include "tests/golden.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

TestSuite(metrics, .timeout = 60);

static const char SMALL[] = "[net]\nname = small\ninput = 3 8 8\nclasses = 4\n"
                            "[conv]\nname = c1\noutputs = 5\nkernel = 3\npadding = 1\n"
                            "[batchnorm]\nname = n1\n[relu]\nname = r1\n"
                            "[maxpool]\nname = p1\nkernel = 2\n"
                            "[conv]\nname = c2\noutputs = 6\nkernel = 3\npadding = 1\nbias = no\n"
                            "[relu]\nname = r2\n"
                            "[maxpool]\nname = p2\nkernel = 2\n"
                            "[linear]\nname = f1\noutputs = 7\n[relu]\nname = r3\n"
                            "[linear]\nname = f2\noutputs = 4\n";

static moda_net *small_net(void)
{
    moda_net *net = NULL;
    cr_assert(eq(int, moda_net_parse(SMALL, "test", (moda_net_defaults){0}, &net), MODA_OK), "%s",
              moda_last_error());
    return net;
}

/* Counted by hand: kept 2 of 5, 3 of 6, 4 of 7, classes 1 and 3. */
Test(metrics, small_network_by_hand)
{
    moda_net *net = small_net();
    const uint8_t a1[] = {1, 0, 0, 1, 0}, a2[] = {0, 1, 1, 1, 0, 0}, a3[] = {1, 1, 0, 0, 0, 1, 1};
    const uint8_t b1[] = {1, 1, 0, 1, 1}, b2[] = {1, 1, 0, 0, 0, 0}, b3[] = {0, 1, 0, 1, 0, 1, 0};
    const uint8_t *a[] = {a1, a2, a3}, *b[] = {b1, b2, b3};
    moda_kept *x = NULL, *y = NULL, *all = NULL;
    cr_assert(eq(int, moda_kept_create(net, a, (size_t[]){3, 1}, 2, &x), MODA_OK));
    cr_assert(eq(int, moda_kept_create(net, b, (size_t[]){1}, 1, &y), MODA_OK));
    cr_assert(eq(int, moda_kept_create_all(net, &all), MODA_OK));
    cr_assert(eq(sz, moda_module_parameters(net, x),
                 (2 * 3 * 9 + 2) + 2 * 2 + 3 * 2 * 9 + (4 * 3 * 4 + 4) + (2 * 4 + 2)));
    cr_assert(
        eq(u64, moda_module_flops(net, x), 2 * 3 * 9 * 64 + 3 * 2 * 9 * 16 + 4 * 3 * 4 + 2 * 4));
    cr_assert(eq(sz, moda_module_neurons(x), 2 + 3 + 4));
    /* Common: channels {0,3}, {1}, {1,5}; class 1. */
    const size_t shared = (2 * 3 * 9 + 2) + 2 * 2 + 1 * 2 * 9 + (2 * 1 * 4 + 2) + (1 * 2 + 1);
    cr_assert(eq(sz, moda_module_shared(net, x, y), shared));
    cr_assert(eq(sz, moda_module_shared(net, y, x), shared));
    cr_assert(eq(sz, moda_module_shared(net, x, x), moda_module_parameters(net, x)));
    cr_assert(eq(sz, moda_module_shared(net, x, all), moda_module_parameters(net, x)));
    moda_parameter_list list;
    cr_assert(eq(int, moda_net_parameters(net, &list), MODA_OK));
    cr_assert(eq(sz, moda_network_parameters(net), list.trainable));
    cr_assert(eq(sz, moda_module_parameters(net, all), list.trainable));
    cr_assert(eq(u64, moda_module_flops(net, all), moda_network_flops(net)));
    cr_assert(eq(sz, moda_network_neurons(net), 5 + 6 + 7));
    moda_parameter_list_free(&list);
    moda_kept_destroy(x);
    moda_kept_destroy(y);
    moda_kept_destroy(all);
    moda_net_destroy(net);
}

static moda_masks *golden_masks(const golden_file *g, const moda_net *net, const char *tau)
{
    moda_masks *m = NULL;
    cr_assert(eq(int, moda_masks_create(net, &m), MODA_OK));
    for (size_t l = 0; l < m->shape.layers; l++) {
        size_t count;
        const uint8_t *from = golden_u8(g, golden_name("tau%s.mask.%zu", tau, l), &count);
        memcpy(m->values + m->shape.offset[l], from, count);
    }
    return m;
}

static size_t whole(const json_t *object, const char *key)
{
    return (size_t)json_integer_value(json_object_get(object, key));
}

/* Parameters of the groups that the published implementation composed. */
static void check_groups(const moda_net *net, const moda_masks *masks, const json_t *groups)
{
    size_t i;
    json_t *group;
    cr_assert(lt(sz, 0, json_array_size(groups)));
    json_array_foreach(groups, i, group)
    {
        size_t classes[10], n = 0;
        for (; n < json_array_size(json_object_get(group, "classes")); n++)
            classes[n] =
                (size_t)json_integer_value(json_array_get(json_object_get(group, "classes"), n));
        moda_kept *kept = NULL;
        cr_assert(eq(int, moda_kept_of_classes(net, masks, classes, n, &kept), MODA_OK), "%s",
                  moda_last_error());
        cr_assert(eq(sz, moda_module_parameters(net, kept), whole(group, "parameters")),
                  "group %zu", i);
        moda_kept_destroy(kept);
    }
}

static void check_pairs(const moda_net *net, const moda_masks *masks, const json_t *tau)
{
    moda_kept *kept[10] = {NULL};
    for (size_t c = 0; c < 10; c++) {
        cr_assert(eq(int, moda_kept_of_classes(net, masks, &c, 1, &kept[c]), MODA_OK), "%s",
                  moda_last_error());
        const json_t *want = json_array_get(json_object_get(tau, "module_parameters"), c);
        cr_assert(eq(sz, moda_module_parameters(net, kept[c]), (size_t)json_integer_value(want)),
                  "class %zu", c);
    }
    const json_t *matrix = json_object_get(tau, "overlap_parameters_trainable");
    for (size_t i = 0; i < 10; i++)
        for (size_t j = 0; j < 10; j++) {
            const json_t *want = json_array_get(json_array_get(matrix, i), j);
            cr_assert(
                eq(sz, moda_module_shared(net, kept[i], kept[j]), (size_t)json_integer_value(want)),
                "classes %zu and %zu", i, j);
        }
    for (size_t c = 0; c < 10; c++) moda_kept_destroy(kept[c]);
}

static void check_published(const char *name)
{
    golden_file *g = golden_open(golden_name("%s.safetensors", name));
    json_t *info = json_loads(golden_metadata(g, "info"), 0, NULL);
    moda_net *net = NULL;
    cr_assert(eq(int, moda_net_open(name, (moda_net_defaults){{3, 32, 32}, 10}, &net), MODA_OK),
              "%s", moda_last_error());
    cr_assert(eq(sz, moda_network_parameters(net), whole(info, "parameters")), "%s", name);
    const char *taus[] = {"0.9", "0.5"};
    for (size_t t = 0; t < 2; t++) {
        const json_t *tau = json_array_get(json_object_get(info, "taus"), t);
        cr_assert(eq(dbl, json_real_value(json_object_get(tau, "tau")), atof(taus[t])));
        moda_masks *masks = golden_masks(g, net, taus[t]);
        check_pairs(net, masks, tau);
        check_groups(net, masks, json_object_get(tau, "groups"));
        moda_masks_destroy(masks);
    }
    moda_net_destroy(net);
    json_decref(info);
    golden_close(g);
}

/* Exactly the published implementation's counts, from its masks. */
Test(metrics, published_parameters_and_overlap)
{
    check_published("vgg16");
    check_published("resnet18");
    check_published("mobilenet");
}
