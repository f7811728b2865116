#include "base/file.h"
#include "decompose/masks.h"
#include "tests/capture.h"
#include "tests/formula.h"
#include "tests/golden.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(masks, .timeout = 60);

/* Three classes, one tracked layer of `units`. */
static moda_net *small_net(size_t units)
{
    char text[256];
    moda_net *net = NULL;
    snprintf(text, sizeof text,
             "[net]\nname = small\ninput = 2 1 1\nclasses = 3\n[linear]\nname = a\noutputs = %zu\n"
             "[relu]\nname = r\n[linear]\nname = b\noutputs = 3\n",
             units);
    cr_assert(eq(int, moda_net_parse(text, "test", (moda_net_defaults){0}, &net), MODA_OK), "%s",
              moda_last_error());
    return net;
}

/* Masks of class c's rates [units] as text of 0 and 1, free() it. */
static char *masks_text(size_t units, const float rates[3][16], double tau, double min_active)
{
    moda_net *net = small_net(units);
    moda_rates *r = NULL;
    moda_masks *m = NULL;
    char *text = calloc(3 * (units + 1), 1);
    cr_assert(eq(int, moda_rates_create(net, &r), MODA_OK));
    for (size_t c = 0; c < 3; c++) memcpy(r->values + c * units, rates[c], units * sizeof(float));
    cr_assert(eq(int, moda_masks_from_rates(net, r, tau, min_active, &m), MODA_OK), "%s",
              moda_last_error());
    for (size_t c = 0; c < 3; c++) {
        for (size_t k = 0; k < units; k++)
            text[c * (units + 1) + k] = (char)('0' + m->values[c * units + k]);
        if (c < 2) text[c * (units + 1) + units] = ' ';
    }
    moda_masks_destroy(m);
    moda_rates_destroy(r);
    moda_net_destroy(net);
    return text;
}

static void check_text(const char *got, const char *want)
{
    cr_assert(zero(int, strcmp(got, want)), "got %s, want %s", got, want);
    free((char *)got);
}

/* 9 of 10 samples is 0.9f, which is below 0.9: the published implementation lets it pass. */
Test(masks, threshold_is_compared_in_f32)
{
    const float rates[3][16] = {
        {9 / 10.0f, nextafterf(0.9f, 0), 1, 0}, {0.9f, 0.95f, 0, 0}, {0, 0, 0.91f, 1}};
    check_text(masks_text(4, rates, 0.9, 0), "1010 1100 0011");
}

/* 16 units, min_active 0.2: m = 3. Class 0 has 2, class 1 five, class 2 none: both get the top 5. */
Test(masks, floor_gives_the_top_as_many_as_the_largest_class_has)
{
    const float rates[3][16] = {{1, .1f, .2f, .3f, 1, .4f, .5f, .6f, .7f, .8f},
                                {0, 0, 0, 0, 0, 1, 1, 1, 1, 1},
                                {.5f, .4f, .3f, .2f, .1f, .05f, .01f}};
    check_text(masks_text(16, rates, 0.9, 0.2),
               "1000100111000000 0000011111000000 1111100000000000");
    check_text(masks_text(16, rates, 0.9, 0), "1000100000000000 0000011111000000 0000000000000000");
}

/* No class reaches m = 8: each gets its top 8, of equal rates the lower numbers first. */
Test(masks, floor_counts_at_least_m_and_breaks_ties_by_number)
{
    const float rates[3][16] = {{[15] = .5f, [14] = .5f}, {[3] = 1, [9] = .2f}, {[0] = .1f}};
    check_text(masks_text(16, rates, 0.9, 0.5),
               "1111110000000011 1111111001000000 1111111100000000");
}

Test(masks, least_share_rounds_down_and_is_at_least_one)
{
    const float rates[3][16] = {{.1f, .3f, .2f}, {1, 1}, {[7] = .6f}};
    check_text(masks_text(16, rates, 0.9, 0.005), "0110000000000000 1100000000000000 "
                                                  "1000000100000000");
}

Test(masks, wrong_thresholds_are_refused)
{
    const double taus[] = {0, -0.1, 1.0000001, 2, NAN, INFINITY};
    moda_net *net = small_net(4);
    moda_rates *r = NULL;
    moda_masks *m = NULL;
    cr_assert(eq(int, moda_rates_create(net, &r), MODA_OK));
    for (size_t i = 0; i < sizeof taus / sizeof *taus; i++)
        cr_assert(eq(int, moda_masks_from_rates(net, r, taus[i], 0, &m), MODA_ERR_ARG), "tau %g",
                  taus[i]);
    cr_assert(eq(int, moda_masks_from_rates(net, r, 0.5, NAN, &m), MODA_ERR_ARG));
    cr_assert(eq(int, moda_masks_from_rates(net, r, 0.5, 1.1, &m), MODA_ERR_ARG));
    cr_assert(eq(ptr, m, NULL));
    /* A threshold that f32 cannot hold still asks for more than nothing. */
    r->values[0] = 0x1p-149f;
    cr_assert(eq(int, moda_masks_from_rates(net, r, 1e-60, 0, &m), MODA_OK));
    cr_assert(eq(u8, m->values[0], 1));
    cr_assert(eq(u8, m->values[1], 0));
    moda_masks_destroy(m);
    moda_rates_destroy(r);
    moda_net_destroy(net);
}

static void check_published(const char *name, size_t layers)
{
    golden_file *g = golden_open(golden_name("%s.safetensors", name));
    char *path = moda_format(MODA_TEST_DATA "/golden/%s.safetensors", name);
    moda_net *net = NULL;
    moda_rates *r = NULL;
    cr_assert(eq(int, moda_net_open(name, (moda_net_defaults){{3, 32, 32}, 10}, &net), MODA_OK),
              "%s", moda_last_error());
    cr_assert(eq(sz, net->tracked_count, layers));
    cr_assert(eq(int, moda_rates_load(path, net, &r), MODA_OK), "%s", moda_last_error());
    free(path);
    const char *taus[] = {"0.9", "0.5"};
    for (size_t t = 0; t < 2; t++) {
        moda_masks *m = NULL;
        size_t active = 0, count = 0;
        cr_assert(
            eq(int, moda_masks_from_rates(net, r, atof(taus[t]), MODA_MIN_ACTIVE, &m), MODA_OK),
            "%s", moda_last_error());
        for (size_t l = 0; l < layers; l++) {
            const uint8_t *want = golden_u8(g, golden_name("tau%s.mask.%zu", taus[t], l), &count);
            cr_assert(eq(sz, count, 10 * m->shape.units[l]));
            for (size_t i = 0; i < count; i++) {
                const uint8_t got = m->values[m->shape.offset[l] + i];
                cr_assert(eq(u8, got, want[i]), "%s, tau %s, layer %zu, class %zu, unit %zu", name,
                          taus[t], l, i / m->shape.units[l], i % m->shape.units[l]);
                active += got;
            }
        }
        cr_assert(active > m->shape.elements / 20 && active < m->shape.elements * 49 / 50,
                  "%s: %zu of %zu are active: this input proves little", name, active,
                  m->shape.elements);
        moda_masks_destroy(m);
    }
    moda_rates_destroy(r);
    moda_net_destroy(net);
    golden_close(g);
}

/* Masks of the published implementation from its rates, every entry, both thresholds. */
Test(masks, published_masks_from_published_rates)
{
    check_published("vgg16", 15);
    check_published("resnet18", 17);
    check_published("mobilenet", 27);
}

TestSuite(masks_files, .init = (void (*)(void))test_folder, .fini = test_folder_remove,
          .timeout = 60);

Test(masks_files, come_back_as_saved)
{
    moda_net *net = small_net(5);
    moda_masks *m = NULL, *back = NULL;
    cr_assert(eq(int, moda_masks_create(net, &m), MODA_OK));
    for (size_t i = 0; i < 15; i++) m->values[i] = i % 3 == 0;
    m->tau = 0.1, m->min_active = 0.005, m->weights = 0xabc;
    const char *path = test_path("masks.safetensors");
    cr_assert(eq(int, moda_masks_save(m, path), MODA_OK), "%s", moda_last_error());
    cr_assert(eq(int, moda_masks_load(path, net, &back), MODA_OK), "%s", moda_last_error());
    cr_assert(zero(int, memcmp(m->values, back->values, 15)));
    cr_assert(eq(dbl, back->tau, 0.1));
    cr_assert(eq(dbl, back->min_active, 0.005));
    cr_assert(eq(u32, back->weights, 0xabc));
    moda_masks_destroy(back), back = NULL;
    /* Another network's masks, and entries that are no truth values. */
    moda_net *other = small_net(6);
    cr_assert(eq(int, moda_masks_load(path, other, &back), MODA_ERR_FORMAT));
    cr_assert(strstr(moda_last_error(), "mask.0") != NULL, "%s", moda_last_error());
    cr_assert(strstr(moda_last_error(), path) != NULL, "%s", moda_last_error());
    m->values[4] = 2;
    cr_assert(eq(int, moda_masks_save(m, path), MODA_OK));
    cr_assert(eq(int, moda_masks_load(path, net, &back), MODA_ERR_FORMAT));
    cr_assert(eq(ptr, back, NULL));
    moda_masks_destroy(m);
    moda_net_destroy(net);
    moda_net_destroy(other);
}

/* A description of a few kilobytes whose tables would take terabytes: no weights stand behind channels
 * of zeros. The file is asked before the memory. */
static moda_net *huge_net(void)
{
    enum { LAYERS = 1000 };
    moda_net *net = NULL;
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    cr_assert(f != NULL);
    fprintf(f, "[net]\ninput = 1 1 1\n[select]\nchannels = 0 65535*zero\n");
    for (int i = 0; i < LAYERS; i++) fprintf(f, "[relu]\n");
    fprintf(f, "[linear]\nname = end\noutputs = 65536\n");
    cr_assert(eq(int, fclose(f), 0));
    cr_assert(eq(int, moda_net_parse(text, "huge", (moda_net_defaults){0}, &net), MODA_OK), "%s",
              moda_last_error());
    cr_assert(eq(sz, net->tracked_count, LAYERS));
    free(text);
    return net;
}

Test(masks_files, sizes_are_compared_before_anything_is_allocated)
{
    moda_net *small = small_net(5), *net = huge_net();
    moda_masks *m = NULL, *back = NULL;
    moda_rates *rates = NULL, *rates_back = NULL;
    const char *path = test_path("masks.safetensors"), *other = test_path("rates.safetensors");
    cr_assert(eq(int, moda_masks_create(small, &m), MODA_OK));
    cr_assert(eq(int, moda_masks_save(m, path), MODA_OK));
    cr_assert(eq(int, moda_masks_load(path, net, &back), MODA_ERR_FORMAT));
    cr_assert(strstr(moda_last_error(), "mask.0") != NULL, "%s", moda_last_error());
    cr_assert(eq(int, moda_rates_create(small, &rates), MODA_OK));
    cr_assert(eq(int, moda_rates_save(rates, other), MODA_OK));
    cr_assert(eq(int, moda_rates_load(other, net, &rates_back), MODA_ERR_FORMAT));
    cr_assert(strstr(moda_last_error(), "rates.0") != NULL, "%s", moda_last_error());
    moda_masks_destroy(m);
    moda_rates_destroy(rates);
    moda_net_destroy(small);
    moda_net_destroy(net);
}
