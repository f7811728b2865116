/* Networks in pieces, and widened models: where cuts are made, and that pieces add up to the whole. */
#include "base/rng.h"
#include "decompose/pieces.h"
#include "decompose/segments.h"
#include "decompose/slice.h"
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
    cr_assert(lt(dbl, 0.01, small_largest(n * classes, want)), "logits prove nothing");
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
        must(moda_widen(model, (moda_sites){model->net->tracked_count, model->net->tracked},
                        &wide)); /* the same function of the images */
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
    must(moda_widen(model, (moda_sites){model->net->tracked_count, model->net->tracked}, &wide));
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

/* ---- channels that are computed together ---- */

/* Convolutions of many kinds. */
static const char kinds[] =
    "[conv];name=a;outputs=64;kernel=3;padding=1;[batchnorm];name=an;[relu];name=ar;"
    "[conv];name=b;outputs=80;kernel=3;padding=1;[relu];name=br;[maxpool];name=bp;kernel=2;stride="
    "2;"
    "[conv];name=c;outputs=80;kernel=3;stride=2;padding=1;[batchnorm];name=cn;[relu];name=cr;"
    "[conv];name=d;outputs=112;kernel=1;bias=no;[batchnorm];name=dn;[relu];name=dr;"
    "[conv];name=e;outputs=96;kernel=5;padding=2;[relu];name=er;"
    "[conv];name=f;outputs=64;kernel=3;[relu];name=fr;[linear];name=g;outputs=5";

/* keep[l] [units]: a multiple of 16 of the channels that `of` keeps (NULL: of all). */
static uint8_t *draw_blocks(random_source *source, size_t units, const uint8_t *of)
{
    uint8_t *keep = calloc(units, 1);
    size_t most = 0;
    for (size_t u = 0; u < units; u++) most += !of || of[u];
    for (size_t left = 16 * (1 + random_below(source, most / 16)); left > 0;) {
        const size_t u = random_below(source, units);
        if (keep[u] || (of && !of[u])) continue;
        keep[u] = 1, left--;
    }
    return keep;
}

/* Runs segment s of what is kept on x; *set is what is kept of its result. */
static float *run_kept(const moda_model *model, const moda_segments *segments, uint8_t **keep,
                       size_t s, size_t n, const float *x, moda_channels *set)
{
    const size_t classes[] = {0, 1, 2, 3, 4};
    moda_kept *kept = NULL;
    moda_model *part = NULL;
    moda_segments cuts = {0};
    moda_pieces *pieces = NULL;
    must(moda_kept_create(model->net, (const uint8_t *const *)keep, classes, 5, &kept));
    must(moda_slice_part(model, kept, segments->cut[s] + 1, segments->cut[s + 1], &part));
    must(moda_segments_in(model->net, segments, part->net, &cuts));
    must(moda_pieces_create(2, 0, &pieces));
    const moda_shape shape = part->net->layers[cuts.cut[s + 1]].shape;
    float *y = calloc(n * shape.c * shape.h * shape.w, sizeof *y);
    must(moda_pieces_run(pieces, part, cuts.cut[s], cuts.cut[s + 1], n, x, y));
    must(moda_channels_from_mask(kept->out[segments->cut[s + 1]].of, keep[s], set));
    cr_assert(eq(sz, set->count, shape.c));
    moda_pieces_destroy(pieces);
    moda_segments_free(&cuts);
    moda_model_destroy(part);
    moda_kept_destroy(kept);
    return y;
}

/* Channel blocks of 16, as executors pass them on. */
static float at(const float *y, size_t channels, size_t hw, size_t image, size_t c, size_t p)
{
    return y[((image * channels / 16 + c / 16) * hw + p) * 16 + c % 16];
}

/* Segment s for many channels, and for some of them alone. */
static void check_together(const moda_model *model, const moda_segments *segments,
                           random_source *source, size_t s)
{
    enum { N = 3 };
    const moda_net *net = model->net;
    const size_t hw =
        net->layers[segments->cut[s + 1]].shape.h * net->layers[segments->cut[s + 1]].shape.w;
    uint8_t *keep[8] = {0}, *all;
    moda_channels many = {0}, few = {0};
    const moda_shape in = net->layers[segments->cut[s]].shape;
    float *x = small_values(N * in.c * in.h * in.w, s + 9);
    for (size_t l = 0; l < net->tracked_count; l++)
        keep[l] = draw_blocks(source, net->layers[net->tracked[l]].shape.c, NULL);
    float *together = run_kept(model, segments, keep, s, N, x, &many);
    all = keep[s], keep[s] = draw_blocks(source, many.of, all);
    float *alone = run_kept(model, segments, keep, s, N, x, &few);
    size_t values = 0;
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0, k = 0; j < few.count; j++) {
            while (many.index[k] != few.index[j]) k++;
            for (size_t p = 0; p < hw; p++) {
                const float got = at(together, many.count, hw, i, k, p);
                const float want = at(alone, few.count, hw, i, j, p);
                cr_assert(memcmp(&got, &want, sizeof got) == 0,
                          "segment %zu, channel %u of %zu, %zu: %.9g, alone %.9g", s, few.index[j],
                          few.count, many.count, (double)got, (double)want);
                values += want != 0;
            }
        }
    cr_assert(lt(sz, 8, values), "segment %zu: zeros prove nothing", s);
    for (size_t l = 0; l < net->tracked_count; l++) free(keep[l]);
    free(all);
    free(x);
    free(together);
    free(alone);
    moda_channels_free(&many);
    moda_channels_free(&few);
}

Test(segments, channels_computed_together_have_the_same_bits)
{
    moda_model *model = small_model("3 18 18", kinds, 8);
    moda_segments s = {0};
    random_source source = random_seed(3);
    must(moda_segments_find(model->net, &s));
    cr_assert(eq(sz, s.count, 7));
    for (size_t i = 0; i + 1 < s.count; i++) {
        cr_assert(moda_segment_by_channel(model->net, &s, i), "segment %zu", i);
        for (size_t times = 0; times < 6; times++) check_together(model, &s, &source, i);
    }
    cr_assert(not(moda_segment_by_channel(model->net, &s, 6)), "a linear layer");
    moda_segments_free(&s);
    moda_model_destroy(model);
    model = small_model("3 8 8", residual, 1);
    must(moda_segments_find(model->net, &s));
    cr_assert(moda_segment_by_channel(model->net, &s, 0), "a convolution");
    cr_assert(moda_segment_by_channel(model->net, &s, 1), "one convolution beside a shortcut");
    moda_segments_free(&s);
    moda_model_destroy(model);
}
