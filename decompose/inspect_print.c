/* decompose/inspect_print.c - moda inspect on the screen, no wider than 100 columns. */
#include "base/table.h"
#include "decompose/inspect.h"
#include "decompose/similarity.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    WIDEST_MATRIX = 10, /* classes */
    PAIRS = 10,         /* shown in place of a wider matrix */
    BAR = 50,
    LINE = 96
};

static const char *const bin_names[MODA_RATE_BINS] = {"0",       "0-0.1",   "0.1-0.2", "0.2-0.3",
                                                      "0.3-0.4", "0.4-0.5", "0.5-0.6", "0.6-0.7",
                                                      "0.7-0.8", "0.8-0.9", "0.9-1",   "1"};

static const char *layer_name(const moda_inspect_options *o, size_t l)
{
    return moda_class_tables_name(o->model->net, l);
}

static const char *class_name(const moda_inspect_options *o, size_t c)
{
    return o->model->class_names[c] ? o->model->class_names[c] : "";
}

/* ---- all layers ---- */

/* kept, least, most: by a class, mean and range. */
static void print_layers(const moda_inspect_options *o)
{
    moda_table *t = moda_table_create(">layer|name|>neurons|>kept|>least|>most|>exclusive|>shared|"
                                      ">by all|>unused|>dead|>floor");
    for (size_t l = 0; l < o->rates->shape.layers; l++) {
        const moda_layer_counts n = moda_count_layer(o->rates, o->masks, l);
        moda_table_row(t, "%zu|%s|%zu|%.1f|%zu|%zu|%zu|%zu|%zu|%zu|%zu|%zu", l, layer_name(o, l),
                       n.units, n.mean, n.least, n.most, n.exclusive, n.shared, n.by_all, n.unused,
                       n.dead, n.floored);
    }
    moda_table_print(t);
    moda_table_destroy(t);
}

/* One character per bin: how many of the rates are in it. */
static void spark(const size_t histogram[MODA_RATE_BINS], char text[MODA_RATE_BINS + 1])
{
    static const char levels[] = " .:-=+*#";
    size_t most = 1;
    for (size_t b = 0; b < MODA_RATE_BINS; b++)
        if (histogram[b] > most) most = histogram[b];
    for (size_t b = 0; b < MODA_RATE_BINS; b++) {
        const size_t top = sizeof levels - 2; /* the last level */
        text[b] = levels[(histogram[b] * top + most - 1) / most];
    }
    text[MODA_RATE_BINS] = 0;
}

/* Rates of the classes that are shown, in every layer. */
static void print_rates(const moda_inspect_options *o)
{
    moda_table *t = moda_table_create("name|>0|>0-0.1|>-0.2|>-0.3|>-0.4|>-0.5|>-0.6|>-0.7|>-0.8|"
                                      ">-0.9|>-1|>1");
    for (size_t l = 0; l < o->rates->shape.layers; l++) {
        size_t histogram[MODA_RATE_BINS] = {0};
        for (size_t i = 0; i < o->outputs.n; i++) {
            const moda_class_counts n =
                moda_count_class(o->rates, o->masks, l, o->outputs.values[i]);
            for (size_t b = 0; b < MODA_RATE_BINS; b++) histogram[b] += n.histogram[b];
        }
        moda_table_row(t, "%s", layer_name(o, l));
        for (size_t b = 0; b < MODA_RATE_BINS; b++) moda_table_cell(t, "%zu", histogram[b]);
    }
    printf("\nneurons of all shown classes by rate\n");
    moda_table_print(t);
    moda_table_destroy(t);
}

/* ---- similarity ---- */

/* l SIZE_MAX: mean of the layers. */
static double similarity(const moda_inspect_options *o, size_t l, size_t a, size_t b,
                         bool activation)
{
    const size_t classes = o->rates->shape.classes, layers = o->rates->shape.layers;
    double sum = 0;
    for (size_t i = 0; i < layers; i++) {
        if (l != SIZE_MAX && l != i) continue;
        sum += activation ? o->activation[(i * classes + a) * classes + b]
                          : moda_rates_similarity(o->rates, i, a, b);
    }
    return l == SIZE_MAX ? sum / (double)layers : sum;
}

static void print_matrix(const moda_inspect_options *o, size_t l, bool activation)
{
    moda_table *t = moda_table_create(">class|name");
    for (size_t i = 0; i < o->outputs.n; i++)
        moda_table_column(t, true, "%u", o->model->class_ids[o->outputs.values[i]]);
    for (size_t i = 0; i < o->outputs.n; i++) {
        const size_t a = o->outputs.values[i];
        moda_table_row(t, "%u|%s", o->model->class_ids[a], class_name(o, a));
        for (size_t j = 0; j < o->outputs.n; j++)
            moda_table_cell(t, "%.2f", similarity(o, l, a, o->outputs.values[j], activation));
    }
    moda_table_print(t);
    moda_table_destroy(t);
}

/* The pairs of classes that are most alike. */
static void print_pairs(const moda_inspect_options *o, size_t l, bool activation)
{
    const size_t n = o->outputs.n;
    moda_table *t = moda_table_create(">class|name|>class|name|>similarity");
    double *pairs = calloc(n * n, sizeof *pairs); /* NULL: a table without rows */
    for (size_t i = 0; pairs && i < n; i++)
        for (size_t j = i + 1; j < n; j++)
            pairs[i * n + j] =
                similarity(o, l, o->outputs.values[i], o->outputs.values[j], activation);
    for (size_t shown = 0; pairs && shown < PAIRS; shown++) {
        size_t best = 0;
        for (size_t i = 1; i < n * n; i++)
            if (pairs[i] > pairs[best]) best = i;
        const size_t x = o->outputs.values[best / n], y = o->outputs.values[best % n];
        if (pairs[best] <= 0) break;
        moda_table_row(t, "%u|%s|%u|%s|%.2f", o->model->class_ids[x], class_name(o, x),
                       o->model->class_ids[y], class_name(o, y), pairs[best]);
        pairs[best] = -1;
    }
    moda_table_print(t);
    moda_table_destroy(t);
    free(pairs);
}

static void print_similarity(const moda_inspect_options *o, size_t l)
{
    const char *where = l == SIZE_MAX ? ", mean of all layers" : "";
    for (int activation = 0; activation < (o->activation ? 2 : 1); activation++) {
        if (o->outputs.n < 2 && !activation) continue;
        printf("\nsimilarity of classes by %s%s\n",
               activation ? "their images' activations, mean of all pairs" : "rates", where);
        if (o->outputs.n <= WIDEST_MATRIX)
            print_matrix(o, l, activation);
        else
            print_pairs(o, l, activation);
    }
}

/* ---- one layer ---- */

static void print_histogram(const moda_layer_counts *n)
{
    static const char bar[BAR + 1] = "##################################################";
    size_t most = 1;
    for (size_t b = 0; b < MODA_RATE_BINS; b++)
        if (n->histogram[b] > most) most = n->histogram[b];
    moda_table *t = moda_table_create(">rate|>neurons|");
    for (size_t b = 0; b < MODA_RATE_BINS; b++)
        moda_table_row(t, "%s|%zu|%.*s", bin_names[b], n->histogram[b],
                       (int)((n->histogram[b] * BAR + most - 1) / most), bar);
    printf("\nrates of all classes\n");
    moda_table_print(t);
    moda_table_destroy(t);
}

static void print_classes(const moda_inspect_options *o, size_t l)
{
    moda_table *t = moda_table_create(">class|name|>kept|>exclusive|floor|rates 0 ... 1");
    for (size_t i = 0; i < o->outputs.n; i++) {
        const size_t c = o->outputs.values[i];
        const moda_class_counts n = moda_count_class(o->rates, o->masks, l, c);
        char text[MODA_RATE_BINS + 1];
        spark(n.histogram, text);
        moda_table_row(t, "%u|%s|%zu|%zu|%s|[%s]", o->model->class_ids[c], class_name(o, c), n.kept,
                       n.exclusive, n.floored ? "floor" : "", text);
    }
    printf("\n");
    moda_table_print(t);
    moda_table_destroy(t);
}

/* The kept neurons of a class: number, rate, * where no other class keeps it. */
static void print_neurons(const moda_inspect_options *o, size_t l, size_t c)
{
    const size_t units = o->rates->shape.units[l], at = o->rates->shape.offset[l] + c * units;
    int column = printf("\n%u %s keeps, with rates (* exclusive):", o->model->class_ids[c],
                        class_name(o, c));
    for (size_t k = 0; k < units; k++) {
        char text[48];
        if (!o->masks->values[at + k]) continue;
        snprintf(text, sizeof text, " %zu%s %.3f", k,
                 moda_count_keepers(o->masks, l, k) == 1 ? "*" : "",
                 (double)o->rates->values[at + k]);
        if (column + (int)strlen(text) > LINE) column = printf("\n   ");
        column += printf("%s", text);
    }
    printf("\n");
}

static void print_layer(const moda_inspect_options *o, size_t l)
{
    const moda_layer_counts n = moda_count_layer(o->rates, o->masks, l);
    printf("layer %zu %s: %zu neurons\n"
           "kept by one class %zu, by several %zu (by all %zu), by none %zu; dead %zu\n",
           l, layer_name(o, l), n.units, n.exclusive, n.shared, n.by_all, n.unused, n.dead);
    if (o->rates->mask_means) printf("masks that are on: mean %.3f\n", o->rates->mask_means[l]);
    print_classes(o, l);
    if (o->outputs.n < o->rates->shape.classes)
        for (size_t i = 0; i < o->outputs.n; i++) print_neurons(o, l, o->outputs.values[i]);
    print_histogram(&n);
    print_similarity(o, l);
}

void moda_inspect_print(const moda_inspect_options *o)
{
    for (size_t i = 0; i < o->layers.n; i++) {
        if (i) printf("\n");
        print_layer(o, o->layers.values[i]);
    }
    if (o->layers.n) return;
    print_layers(o);
    print_rates(o);
    print_similarity(o, SIZE_MAX);
}
