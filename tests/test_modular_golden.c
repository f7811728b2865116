/* tests/test_modular_golden.c - losses/modular.h and losses/activation.h against the published
 * implementation: six batches, the values of the three losses and their gradients by the feature
 * maps (golden/README.md). */
#include "losses/activation.h"
#include "losses/losses_internal.h"
#include "losses/modular.h"
#include "tests/golden.h"
#include "tests/losses_oracle.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <jansson.h>
#include <string.h>

TestSuite(modular_golden, .timeout = 60);

enum { CASES = 6 };
static const double tolerance = 1e-5; /* of the largest entry */

typedef struct golden_case {
    int number;
    size_t n, c, hw, k;
    const float *x; /* [n,c,hw]; a fully connected layer has hw = 1 */
    uint32_t *labels;
    double values[3]; /* L_aff, L_dis, L_com of one layer */
} golden_case;

static golden_case read_case(const golden_file *g, const json_t *cases, int i)
{
    static const char *const keys[3] = {"affinity", "dispersion", "compactness"};
    const json_t *about = json_array_get(cases, (size_t)i);
    size_t shape[GOLDEN_MAX_RANK], rank;
    golden_case c = {.number = i, .hw = 1};
    golden_shape(g, golden_name("%d.act", i), shape, &rank);
    c.n = shape[0], c.c = shape[1];
    for (size_t r = 2; r < rank; r++) c.hw *= shape[r];
    c.k = (size_t)json_integer_value(json_object_get(about, "classes"));
    c.x = golden_f32(g, golden_name("%d.act", i), NULL);
    const int64_t *labels = golden_i64(g, golden_name("%d.labels", i), NULL);
    c.labels = malloc(c.n * sizeof *c.labels);
    for (size_t s = 0; s < c.n; s++) c.labels[s] = (uint32_t)labels[s];
    for (int t = 0; t < 3; t++) c.values[t] = json_number_value(json_object_get(about, keys[t]));
    return c;
}

/* Plain [n,c,hw] to the layout of s (pack), or back. */
static void reorder(moda_map_shape s, int pack, float *plain, float *blocked)
{
    const size_t blocks = (s.c + s.block - 1) / s.block;
    for (size_t n = 0; n < s.n; n++)
        for (size_t c = 0; c < s.c; c++)
            for (size_t p = 0; p < s.hw; p++) {
                const size_t from = (n * s.c + c) * s.hw + p;
                const size_t to = ((n * blocks + c / s.block) * s.hw + p) * s.block + c % s.block;
                if (pack)
                    blocked[to] = plain[from];
                else
                    plain[from] = blocked[to];
            }
}

/* d_x [n,c,hw] of the loss with weights w, through the layout of block. hw = 1: a = x. */
static moda_modular_terms through_map(const golden_case *c, size_t block, moda_modular_weights w,
                                      float *d_x)
{
    const moda_map_shape s = {c->n, c->c, c->hw, block, MODA_F32};
    const size_t floats = s.n * ((s.c + block - 1) / block) * block * s.hw;
    float *x = calloc(floats, sizeof *x), *d = calloc(floats, sizeof *d);
    float *plain = malloc(s.n * s.c * s.hw * sizeof *plain);
    float *a = malloc(s.n * s.c * sizeof *a), *d_a = malloc(s.n * s.c * sizeof *d_a);
    moda_modular_scratch *scratch;
    moda_modular_terms t;
    cr_assert(eq(int, moda_modular_scratch_create(s.n, s.c, c->k, &scratch), MODA_OK), "%s",
              moda_last_error());
    memcpy(plain, c->x, s.n * s.c * s.hw * sizeof *plain);
    reorder(s, 1, plain, x);
    moda_channel_means(s, x, a);
    moda_modular_layer(scratch, s.n, s.c, c->labels, a, moda_modular_pairs(scratch, s.n, c->labels),
                       w, 1, d_a, &t);
    moda_channel_means_backward(s, x, d_a, d);
    reorder(s, 0, c->hw > 1 ? d_x : plain, d);
    if (c->hw == 1) memcpy(d_x, d_a, s.n * s.c * sizeof *d_x);
    moda_modular_scratch_destroy(scratch);
    free(x), free(d), free(plain), free(a), free(d_a);
    return t;
}

static void check_gradient(const golden_file *g, const golden_case *c, size_t block,
                           const char *name, moda_modular_weights w)
{
    size_t count;
    const float *want = golden_f32(g, golden_name("%d.grad_%s", c->number, name), &count);
    double *exact = malloc(count * sizeof *exact), largest = 0;
    float *d_x = malloc(count * sizeof *d_x);
    for (size_t e = 0; e < count; e++) {
        exact[e] = (double)want[e];
        if (fabs(exact[e]) > largest) largest = fabs(exact[e]);
    }
    cr_assert(largest > 1e-6, "case %d %s: golden gradient is zero", c->number, name);
    through_map(c, block, w, d_x);
    const double far = oracle_distance(count, d_x, exact);
    cr_assert(far <= tolerance, "case %d block %zu: gradient of %s off by %.3g of its largest, %g",
              c->number, block, name, far, largest);
    free(exact), free(d_x);
}

static void check_case(const golden_file *g, const golden_case *c, size_t block)
{
    float *d_x = malloc(c->n * c->c * c->hw * sizeof *d_x);
    const moda_modular_terms t = through_map(c, block, (moda_modular_weights){1, 1, 1}, d_x);
    const double got[3] = {1 - t.affinity, t.dispersion, t.compactness};
    for (int i = 0; i < 3; i++)
        cr_assert(fabs(got[i] - c->values[i]) <= tolerance * c->values[i],
                  "case %d block %zu: value %d is %.9g, not %.9g", c->number, block, i, got[i],
                  c->values[i]);
    check_gradient(g, c, block, "affinity", (moda_modular_weights){1, 0, 0});
    check_gradient(g, c, block, "dispersion", (moda_modular_weights){0, 1, 0});
    check_gradient(g, c, block, "compactness", (moda_modular_weights){0, 0, 1});
    free(d_x);
}

Test(modular_golden, values_and_gradients_in_every_layout)
{
    golden_file *g = golden_open("losses.safetensors");
    json_t *cases = json_loads(golden_metadata(g, "cases"), 0, NULL);
    const moda_isa best = moda_isa_best();
    cr_assert(eq(sz, json_array_size(cases), CASES));
    for (int i = 0; i < CASES; i++) {
        golden_case c = read_case(g, cases, i);
        const size_t blocks[] = {1, 8, 16, c.c};
        for (moda_isa isa = MODA_ISA_REF; isa <= best; isa++) {
            moda_loss_kernels_use(isa);
            for (size_t b = 0; b < 4; b++) check_case(g, &c, blocks[b]);
        }
        free(c.labels);
    }
    json_decref(cases);
    golden_close(g);
}
