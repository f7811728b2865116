/* Networks in pieces, and widened models: where cuts are made, and that pieces add up to the whole. */
#include "base/rng.h"
#include "decompose/pieces.h"
#include "decompose/segments.h"
#include "decompose/widen.h"
#include "tests/plain.h"
#include "tests/random_graph.h"
#include "tests/small_net.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

TestSuite(segments, .timeout = 60);

static void must(moda_status st)
{
    cr_assert(eq(int, st, MODA_OK), "%s", moda_last_error());
}

static const char residual[] =
    "[conv];name=a;outputs=16;kernel=3;padding=1;[relu];name=ar;"
    "[conv];name=b;outputs=16;kernel=3;padding=1;[batchnorm];name=bn;[add];name=sum;from=bn,ar;"
    "[relu];name=sr;[conv];name=c;outputs=20;kernel=3;[relu];name=cr;[avgpool];name=p;kernel="
    "global;"
    "[linear];name=end;outputs=4";

static void check_cuts(const moda_model *model, size_t count, const char *const *names)
{
    moda_segments s = {0};
    must(moda_segments_find(model->net, &s));
    cr_assert(eq(sz, s.count, count));
    for (size_t i = 0; i <= count; i++)
        cr_assert(eq(str, model->net->layers[s.cut[i]].name, (char *)names[i]), "cut %zu", i);
    moda_segments_free(&s);
}

Test(segments, cuts_are_before_weights_and_never_through_a_branch)
{
    moda_model *model = small_model("3 8 8", residual, 1);
    check_cuts(model, 4, (const char *const[]){"input", "ar", "sr", "p", "end"});
    moda_model_destroy(model);
}

/* Runs all pieces one after the other on n images. */
static void run_pieces(const moda_model *model, size_t batch, size_t bytes, size_t n,
                       const float *x, float *logits)
{
    moda_segments s = {0};
    moda_pieces *pieces = NULL;
    must(moda_segments_find(model->net, &s));
    must(moda_pieces_create(batch, bytes, &pieces));
    const size_t most = n * 64 * 1024;
    float *from = calloc(most, sizeof *from), *to = calloc(most, sizeof *to);
    memcpy(from, x,
           n * model->net->input.c * model->net->input.h * model->net->input.w * sizeof *x);
    for (size_t i = 0; i < s.count; i++) {
        float *swap = from;
        must(moda_pieces_run(pieces, model, s.cut[i], s.cut[i + 1], n, from, to));
        from = to, to = swap;
    }
    memcpy(logits, from, n * model->net->classes * sizeof *logits);
    free(from);
    free(to);
    moda_pieces_destroy(pieces);
    moda_segments_free(&s);
}

static void check_logits(const moda_model *model, size_t n, const float *x, const float *got)
{
    const size_t classes = model->net->classes;
    const moda_shape in = model->net->input;
    double *want = calloc(n * classes, sizeof *want);
    for (size_t i = 0; i < n; i++)
        plain_forward(model, x + i * in.c * in.h * in.w, NULL, want + i * classes);
    cr_assert(gt(dbl, small_largest(n * classes, want), 0.01), "logits prove nothing");
    cr_assert(lt(dbl, small_distance(n * classes, got, want), 1e-5));
    free(want);
}

/* Batches that do not divide the images; memory for one executor, or for all. */
Test(segments, pieces_add_up_to_the_network)
{
    moda_model *model = small_model("3 8 8", residual, 2);
    float *x = small_values(7 * 3 * 8 * 8, 3), logits[7 * 4];
    for (size_t batch = 1; batch <= 8; batch += 3)
        for (size_t bytes = 0; bytes < 2; bytes++) {
            run_pieces(model, batch, bytes << 30, 7, x, logits);
            check_logits(model, 7, x, logits);
        }
    free(x);
    moda_model_destroy(model);
}

Test(segments, pieces_of_random_graphs_add_up)
{
    for (uint64_t seed = 1; seed <= 40; seed++) {
        random_source s = random_seed(seed);
        moda_model *model = random_graph(&s, false), *wide = NULL;
        float *x = random_image(&s, model->net, 3), logits[15];
        run_pieces(model, 2, 0, 3, x, logits);
        check_logits(model, 3, x, logits);
        must(moda_widen(model, &wide)); /* the same function of the images */
        run_pieces(wide, 2, 0, 3, x, logits);
        check_logits(model, 3, x, logits);
        free(x);
        moda_model_destroy(wide);
        moda_model_destroy(model);
    }
}

/* Another network's weights in an executor that was there already. */
Test(segments, executors_are_found_again)
{
    moda_model *a = small_model("3 8 8", residual, 4), *b = small_model("3 8 8", residual, 5);
    float *x = small_values(2 * 3 * 8 * 8, 6), y[2 * 16 * 64], z[2 * 16 * 64], again[2 * 16 * 64];
    moda_pieces *pieces = NULL;
    size_t found, made;
    must(moda_pieces_create(2, 1 << 30, &pieces));
    must(moda_pieces_run(pieces, a, 0, 2, 2, x, y));
    must(moda_pieces_run(pieces, b, 0, 2, 2, x, z));
    must(moda_pieces_run(pieces, a, 0, 2, 2, x, again));
    moda_pieces_count(pieces, &found, &made);
    cr_assert(eq(sz, made, 1));
    cr_assert(eq(sz, found, 2));
    cr_assert(memcmp(y, z, sizeof y) != 0);
    cr_assert(memcmp(y, again, sizeof y) == 0);
    moda_pieces_destroy(pieces);
    free(x);
    moda_model_destroy(a);
    moda_model_destroy(b);
}

/* ---- idle channels ---- */

Test(segments, kept_channels_are_rounded_up_with_idle_ones)
{
    moda_model *model = small_model("3 8 8", residual, 7), *wide = NULL;
    moda_masks *masks = NULL;
    moda_kept *kept = NULL;
    const uint32_t outputs[] = {1, 3};
    must(moda_widen(model, &wide));
    must(moda_masks_create(model->net, &masks));
    const moda_class_tables *t = &masks->shape;
    for (size_t l = 0; l < t->layers; l++)
        for (size_t c = 0; c < t->classes; c++)
            for (size_t u = 0; u < t->units[l]; u++)
                masks->values[t->offset[l] + c * t->units[l] + u] = u % 5 == c;
    must(moda_kept_of_wide(wide->net, masks, outputs, 2, &kept));
    for (size_t l = 0; l < t->layers; l++) {
        const moda_channels *set = &kept->out[wide->net->tracked[l]];
        size_t mine = 0;
        cr_assert(eq(sz, set->count, 16), "layer %zu", l); /* 2 of 5 of 16 or 20: 7 or 8 */
        for (size_t i = 0; i < set->count; i++) {
            mine += set->index[i] < t->units[l];
            cr_assert(set->index[i] >= t->units[l] || set->index[i] % 5 == 1 ||
                      set->index[i] % 5 == 3);
        }
        cr_assert(eq(sz, mine, t->units[l] == 16 ? 6 : 8), "layer %zu", l);
    }
    cr_assert(eq(sz, kept->out[wide->net->layer_count - 1].count, 4)); /* all logits */
    moda_kept_destroy(kept);
    moda_masks_destroy(masks);
    moda_model_destroy(wide);
    moda_model_destroy(model);
}
