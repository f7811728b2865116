/* tests/test_bench_shapes.c - bench/shapes.h: what benchdnn's lines mean, that every shape survives the way to a
 * text and back, and that nothing else gets through. */
#include "base/rng.h"
#include "bench/shapes.h"
#include "tests/capture.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

TestSuite(bench_shapes, .fini = test_folder_remove, .timeout = 60);

static moda_problem must(moda_layer_kind kind, const char *text)
{
    moda_problem p;
    cr_assert(eq(int, moda_problem_parse(kind, text, &p), MODA_OK), "%s: %s", text,
              moda_last_error());
    return p;
}

static moda_problem conv(const char *text)
{
    return must(MODA_LAYER_CONV, text);
}

static moda_problem linear(const char *text)
{
    return must(MODA_LAYER_LINEAR, text);
}

static bool same(const moda_problem *a, const moda_problem *b)
{
    return a->kind == b->kind && a->n == b->n && a->groups == b->groups && a->ic == b->ic &&
           a->ih == b->ih && a->iw == b->iw && a->oc == b->oc && a->oh == b->oh && a->ow == b->ow &&
           a->kernel == b->kernel && a->stride == b->stride && a->padding == b->padding &&
           strcmp(a->name, b->name) == 0;
}

/* ---- what lines mean ---- */

Test(bench_shapes, lines_as_benchdnn_has_them)
{
    const moda_problem alexnet =
        conv("ic3ih227iw227_oc96oh55ow55_kh11kw11_sh4sw4ph0pw0_n\"alexnet:conv1\"");
    cr_assert(alexnet.n == 0 && alexnet.groups == 1 && alexnet.ic == 3 && alexnet.ih == 227 &&
              alexnet.oc == 96 && alexnet.oh == 55 && alexnet.kernel == 11 && alexnet.stride == 4 &&
              alexnet.padding == 0);
    cr_assert(eq(str, (char *)alexnet.name, "alexnet:conv1"));
    const moda_problem resnet = conv("mb1ic3ih224oc64oh112kh7sh2ph3nresnet18_0");
    cr_assert(resnet.n == 1 && resnet.iw == 224 && resnet.ow == 112 && resnet.padding == 3);
    cr_assert(eq(str, (char *)resnet.name, "resnet18_0"));
    const moda_problem depthwise = conv("g32mb4ic32ih8iw10oc32kh3ph1");
    cr_assert(depthwise.groups == 32 && depthwise.oh == 8 && depthwise.ow == 10);
    const moda_problem deduced = conv("ic64ih32oc64oh32kh3");
    cr_assert(eq(sz, deduced.padding, 1));
    const moda_problem fc = linear("mb112ic2048_ih1iw1_oc1000_n\"resnet:ip1\"");
    cr_assert(fc.n == 112 && fc.ic == 2048 && fc.ih == 1 && fc.oc == 1000);
    const moda_problem product = linear("112x2048:2048x1000_n\"resnet:ip1\"");
    cr_assert(same(&fc, &product));
    const moda_problem flatten = linear("ic16ih5oc120");
    cr_assert(flatten.n == 0 && flatten.ih == 5 && flatten.iw == 5);
}

/* Places of a window, one by one. */
static size_t places(size_t pixels, size_t kernel, size_t stride, size_t padding)
{
    size_t n = 0;
    for (size_t at = 0; at + kernel <= pixels + 2 * padding; at += stride) n++;
    return n;
}

static size_t draw(moda_rng rng, uint64_t *i, size_t least, size_t most)
{
    return least + (size_t)moda_rng_below(rng, (*i)++, most - least + 1);
}

static moda_problem random_conv(moda_rng rng, uint64_t *i)
{
    moda_problem p = {.kind = MODA_LAYER_CONV};
    p.groups = draw(rng, i, 1, 4);
    p.ic = p.groups * draw(rng, i, 1, 20), p.oc = p.groups * draw(rng, i, 1, 20);
    p.kernel = draw(rng, i, 1, 7), p.stride = draw(rng, i, 1, 3);
    p.padding = draw(rng, i, 0, p.kernel - 1);
    p.ih = draw(rng, i, p.kernel, 40);
    p.iw = draw(rng, i, 0, 1) ? p.ih : draw(rng, i, p.kernel, 40);
    p.n = draw(rng, i, 0, 200);
    p.oh = places(p.ih, p.kernel, p.stride, p.padding);
    p.ow = places(p.iw, p.kernel, p.stride, p.padding);
    return p;
}

static moda_problem random_linear(moda_rng rng, uint64_t *i)
{
    moda_problem p = {.kind = MODA_LAYER_LINEAR, .groups = 1, .oh = 1, .ow = 1, .kernel = 1};
    p.stride = 1;
    p.n = draw(rng, i, 0, 200), p.ic = draw(rng, i, 1, 5000), p.oc = draw(rng, i, 1, 5000);
    p.ih = draw(rng, i, 1, 9), p.iw = draw(rng, i, 0, 1) ? p.ih : draw(rng, i, 1, 9);
    return p;
}

Test(bench_shapes, every_shape_survives_the_way_to_a_text_and_back)
{
    for (uint32_t t = 0; t < 4000; t++) {
        const moda_rng rng = moda_rng_make(5, MODA_RNG_TEST, t);
        uint64_t i = 0;
        char text[MODA_PROBLEM_TEXT], named[MODA_PROBLEM_TEXT + 32];
        moda_problem p = t % 2 ? random_conv(rng, &i) : random_linear(rng, &i);
        moda_problem_text(&p, text);
        if (t % 3 == 0) snprintf(p.name, sizeof p.name, "l %u", t);
        snprintf(named, sizeof named, t % 3 ? "%s" : "%s_n\"%s\"", text, p.name);
        const moda_problem back = must(p.kind, named);
        cr_assert(same(&p, &back), "%s", named);
    }
}

/* What a network is built of has that very shape. */
Test(bench_shapes, networks_have_the_shape_that_was_asked_for)
{
    for (uint32_t t = 0; t < 300; t++) {
        const moda_rng rng = moda_rng_make(6, MODA_RNG_TEST, t);
        uint64_t i = 0;
        char text[MODA_PROBLEM_TEXT];
        moda_net *net = NULL;
        moda_problem p = t % 2 ? random_conv(rng, &i) : random_linear(rng, &i);
        cr_assert(eq(int, moda_problem_net(&p, t % 4 < 2, &net), MODA_OK), "%s: %s",
                  moda_problem_text(&p, text), moda_last_error());
        moda_problem back = moda_problem_of(net, 1, p.n);
        cr_assert(eq(str, (char *)back.name, "layer"));
        back.name[0] = 0;
        cr_assert(same(&p, &back), "%s", moda_problem_text(&p, text));
        cr_assert(eq(int, net->layers[1].bias, t % 4 < 2));
        moda_net_destroy(net);
    }
}

/* Order and underscores do not matter, but behind the n. */
Test(bench_shapes, parts_in_any_order)
{
    static const char *const lines[] = {
        "mb2ic8ih9iw9oc16oh9ow9kh3kw3sh1sw1ph1pw1",
        "_mb2__ic8_ih9iw9_oc16_kh3_ph1_",
        "ph1kh3oc16ih9ic8mb2",
        "g1mb2ic8iw9oc16kw3pw1",
        "mb2ic8ih9oc16kh3ph1dh0dw0",
        "mb2ic8ih9oc16oh9kh3",
    };
    const moda_problem first = conv(lines[0]);
    for (size_t i = 1; i < sizeof lines / sizeof *lines; i++) {
        const moda_problem other = conv(lines[i]);
        cr_assert(same(&first, &other), "%s", lines[i]);
    }
}

/* ---- what is no shape ---- */

Test(bench_shapes, refusals_name_what_is_wrong)
{
    static const struct {
        moda_layer_kind kind;
        const char *text, *word;
    } wrong[] = {
        {MODA_LAYER_CONV, "", "'ic' is missing"},
        {MODA_LAYER_CONV, "ic3ih8oc4", "'kh' is missing"},
        {MODA_LAYER_CONV, "ic3ic4ih8oc4kh3", "'ic' is there twice"},
        {MODA_LAYER_CONV, "ic3ih8oc4kh3zz", "'zz'"},
        {MODA_LAYER_CONV, "ic3ihoc4kh3", "a number is missing behind 'ih'"},
        {MODA_LAYER_CONV, "ic0ih8oc4kh3", "ic0"},
        {MODA_LAYER_CONV, "ic99999999999999999999ih8oc4kh3", "from 1 to 65536"},
        {MODA_LAYER_CONV, "ic-3ih8oc4kh3", "a number is missing"},
        {MODA_LAYER_CONV, "ic3ih8oc4kh3kw5", "square"},
        {MODA_LAYER_CONV, "ic3ih8oc4kh3sh1sw2", "stride"},
        {MODA_LAYER_CONV, "ic3ih8oc4kh3ph1pw0", "padding"},
        {MODA_LAYER_CONV, "ic3ih8oc4kh3ph3", "padding must be less"},
        {MODA_LAYER_CONV, "ic3ih8oc4kh3dh1", "dilated"},
        {MODA_LAYER_CONV, "ic3ih8oc4kh9", "larger"},
        {MODA_LAYER_CONV, "ic3ih8oc4oh9kh3ph1", "give 8"},
        {MODA_LAYER_CONV, "g2ic3ih8oc4kh3", "evenly"},
        {MODA_LAYER_CONV, "ic3id4ih8oc4kh3", "'id4"},
        {MODA_LAYER_CONV, "ic3ih8oc4kh3n", "name"},
        {MODA_LAYER_CONV, "ic3ih8oc4kh3n\"a\"b\"", "name"},
        {MODA_LAYER_CONV, "128x4:4x5", "'128x4:4x5"},
        {MODA_LAYER_LINEAR, "ic3", "'oc' is missing"},
        {MODA_LAYER_LINEAR, "ic3oc4kh3", "'kh' is no part"},
        {MODA_LAYER_LINEAR, "3x4:5x6", "4 columns times 5 rows"},
        {MODA_LAYER_LINEAR, "3x4", "product"},
        {MODA_LAYER_LINEAR, "3x4:4x6x7", "only n"},
        {MODA_LAYER_LINEAR, "3x0:0x6", "from 1"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        moda_problem p = {.n = 77};
        cr_assert(eq(int, moda_problem_parse(wrong[i].kind, wrong[i].text, &p), MODA_ERR_ARG), "%s",
                  wrong[i].text);
        cr_assert(strstr(moda_last_error(), wrong[i].word) != NULL, "%s: %s", wrong[i].text,
                  moda_last_error());
        cr_assert(eq(sz, p.n, 77), "written in spite of the failure");
    }
}

/* One character changed, taken out or put in: it is either refused, or a shape that is in bounds. */
Test(bench_shapes, damaged_lines_do_no_harm)
{
    static const char letters[] = "0123456789abcdghikmnoprstwx_:\"#- ";
    static const char *const lines[] = {"g2mb12ic64ih32iw30_oc64_kh3_sh2ph1_n\"a\"",
                                        "128x512:512x4096_n\"fc\""};
    size_t good = 0, bad = 0;
    for (uint32_t t = 0; t < 20000; t++) {
        const moda_rng rng = moda_rng_make(7, MODA_RNG_TEST, t);
        const char *line = lines[t % 2];
        uint64_t i = 0;
        char text[128];
        moda_problem p;
        const size_t at = draw(rng, &i, 0, strlen(line) - 1), how = draw(rng, &i, 0, 2);
        const char letter = letters[draw(rng, &i, 0, sizeof letters - 2)];
        snprintf(text, sizeof text, "%.*s%.*s%s", (int)at, line, how > 0, &letter,
                 line + at + (how < 2));
        const moda_layer_kind kind = t % 2 ? MODA_LAYER_LINEAR : MODA_LAYER_CONV;
        const moda_status st = moda_problem_parse(kind, text, &p);
        good += st == MODA_OK, bad += st == MODA_ERR_ARG;
        if (st != MODA_OK) {
            cr_assert(strchr(moda_last_error(), '\n') == NULL, "%s", moda_last_error());
            continue;
        }
        cr_assert(p.ic >= 1 && p.ic <= 65536 && p.oc >= 1 && p.oc <= 65536 && p.n <= 1 << 20, "%s",
                  text);
        if (kind == MODA_LAYER_CONV)
            cr_assert(eq(sz, p.oh, places(p.ih, p.kernel, p.stride, p.padding)), "%s", text);
    }
    cr_assert(eq(sz, good + bad, 20000));
    cr_assert(good > 1000 && bad > 1000, "%zu good, %zu bad: this proves nothing", good, bad);
}

/* ---- files ---- */

Test(bench_shapes, files_hold_one_a_line)
{
    moda_problems list = {0};
    const char *path = test_write("s", "# all of it\n\nmb4ic3ih8oc4kh3n\"a\"  # first\r\n"
                                       "\t ic3ih9oc4kh3nb\nic3ih10oc4kh3");
    cr_assert(eq(int, moda_problems_read(MODA_LAYER_CONV, path, &list), MODA_OK), "%s",
              moda_last_error());
    cr_assert(eq(sz, list.count, 3));
    cr_assert(list.items[0].n == 4 && list.items[1].ih == 9 && list.items[2].ih == 10);
    cr_assert(strcmp(list.items[0].name, "a") == 0 && strcmp(list.items[1].name, "b") == 0);
    moda_problems_free(&list);
    moda_problems_free(&list);
}

Test(bench_shapes, broken_lines_are_named)
{
    static const struct {
        const char *text, *word;
    } files[] = {
        {"ic3ih8oc4kh3\n\nic3ih8oc4\n", ":3: 'kh' is missing"},
        {"--cfg=f32\nic3ih8oc4kh3\n", ":1: '--cfg=f32'"},
        {"# nothing\n", "no shape"},
        {"", "no shape"},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        moda_problems list = {0};
        const char *path = test_write("s", files[i].text);
        cr_assert(eq(int, moda_problems_read(MODA_LAYER_CONV, path, &list), MODA_ERR_FORMAT));
        cr_assert(strstr(moda_last_error(), files[i].word) != NULL, "%s", moda_last_error());
        moda_problems_free(&list);
    }
    moda_problems list = {0};
    cr_assert(eq(int, moda_problems_read(MODA_LAYER_CONV, test_path("none"), &list), MODA_ERR_IO));
}
