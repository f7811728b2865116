/* decompose/ablate_report.c - what ablations came to: per class, by size of change, and the
 * worst. */
#include "base/csv.h"
#include "base/file.h"
#include "base/table.h"
#include "decompose/ablate.h"
#include <stdio.h>
#include <stdlib.h>

enum {
    WORST_SHOWN = 10, /* of all classes on the screen, of each in the JSON */
    WIDEST_MATRIX = 10,
    BAR = 40
};

const char *const moda_ablate_bin_names[MODA_ABLATE_BINS] = {
    "-10 points or worse", "-10 to -5", "-5 to -1", "-1 to 0", "0", "0 to 1", "1 or more"};

double moda_ablation_change(const moda_ablate *r, const moda_ablation *item)
{
    return ((double)item->gained - (double)item->lost) / (double)r->samples[item->output];
}

size_t moda_ablate_bin(double change)
{
    static const double most[] = {-0.10, -0.05, -MODA_ABLATE_CRITICAL};
    size_t b = 0;
    while (b < 3 && change > most[b]) b++;
    if (b < 3) return b;
    if (change <= 0) return change < 0 ? 3 : 4;
    return change < MODA_ABLATE_CRITICAL ? 5 : 6;
}

/* ---- one class, or all ---- */

typedef struct summary {
    size_t ablations, active, critical, histogram[MODA_ABLATE_BINS];
    double mean;                /* change */
    const moda_ablation *worst; /* largest loss; of equal ones the first */
} summary;

/* output SIZE_MAX: all classes. */
static summary summarise(const moda_ablate *r, size_t output)
{
    summary s = {0};
    for (size_t i = 0; i < r->count; i++) {
        const moda_ablation *item = &r->items[i];
        if (output != SIZE_MAX && item->output != output) continue;
        const double change = moda_ablation_change(r, item);
        s.ablations++;
        s.active += item->active > 0;
        s.critical += change <= -MODA_ABLATE_CRITICAL;
        s.histogram[moda_ablate_bin(change)]++;
        s.mean += change;
        if (!s.worst || change < moda_ablation_change(r, s.worst)) s.worst = item;
    }
    if (s.ablations) s.mean /= (double)s.ablations;
    return s;
}

/* The next worst after *last (NULL: the worst), NULL when no other has lost anything. */
static const moda_ablation *next_worst(const moda_ablate *r, size_t output,
                                       const moda_ablation *last)
{
    const moda_ablation *best = NULL;
    for (size_t i = 0; i < r->count; i++) {
        const moda_ablation *item = &r->items[i];
        const double change = moda_ablation_change(r, item);
        if ((output != SIZE_MAX && item->output != output) || change >= 0) continue;
        if (last) {
            const double before = moda_ablation_change(r, last);
            if (change < before || (change <= before && item <= last)) continue;
        }
        if (!best || change < moda_ablation_change(r, best)) best = item;
    }
    return best;
}

static const char *layer_name(const moda_ablate_options *o, const moda_ablation *item)
{
    const moda_net *net = o->model->net;
    return net->layers[net->tracked[item->layer]].name;
}

static const char *class_name(const moda_ablate_options *o, size_t output)
{
    return o->model->class_names[output] ? o->model->class_names[output] : "";
}

static double accuracy(const moda_ablate *r, size_t output)
{
    return (double)r->correct[output] / (double)r->samples[output];
}

/* ---- screen ---- */

static void print_classes(const moda_ablate_options *o, const moda_ablate *r)
{
    moda_table *t = moda_table_create(
        ">class|name|>images|>accuracy|>ablations|>active|>critical|>mean change|>worst|worst at");
    for (size_t j = 0; j < o->outputs.n; j++) {
        const size_t k = o->outputs.values[j];
        const summary s = summarise(r, k);
        moda_table_row(t, "%u|%s|%zu|%.4f|%zu|%zu|%zu|%+.6f", o->model->class_ids[k],
                       class_name(o, k), r->samples[k], accuracy(r, k), s.ablations, s.active,
                       s.critical, s.mean);
        if (!s.worst || (moda_ablation_change(r, s.worst) >= 0 && !o->by_layer)) continue;
        moda_table_cell(t, "%+.4f", moda_ablation_change(r, s.worst));
        if (o->by_layer)
            moda_table_cell(t, "%s", layer_name(o, s.worst));
        else
            moda_table_cell(t, "%s %u", layer_name(o, s.worst), s.worst->unit);
    }
    moda_table_print(t);
    moda_table_destroy(t);
}

static void print_histogram(const moda_ablate *r)
{
    static const char bar[BAR + 1] = "########################################";
    const summary s = summarise(r, SIZE_MAX);
    size_t most = 1;
    for (size_t b = 0; b < MODA_ABLATE_BINS; b++)
        if (s.histogram[b] > most) most = s.histogram[b];
    moda_table *t = moda_table_create("change of accuracy|>ablations|");
    for (size_t b = 0; b < MODA_ABLATE_BINS; b++) {
        const size_t length = (s.histogram[b] * BAR + most - 1) / most;
        moda_table_row(t, "%s|%zu|%.*s", moda_ablate_bin_names[b], s.histogram[b], (int)length,
                       bar);
    }
    printf("\n");
    moda_table_print(t);
    moda_table_destroy(t);
}

static void print_worst(const moda_ablate_options *o, const moda_ablate *r)
{
    const moda_ablation *item = next_worst(r, SIZE_MAX, NULL);
    if (!item) return;
    moda_table *t = moda_table_create(">class|name|layer|>neuron|>active|>lost|>gained|>change");
    for (size_t i = 0; i < WORST_SHOWN && item; i++, item = next_worst(r, SIZE_MAX, item))
        moda_table_row(t, "%u|%s|%s|%u|%u|%u|%u|%+.4f", o->model->class_ids[item->output],
                       class_name(o, item->output), layer_name(o, item), item->unit, item->active,
                       item->lost, item->gained, moda_ablation_change(r, item));
    printf("\nworst\n");
    moda_table_print(t);
    moda_table_destroy(t);
}

/* By layer: points of accuracy, a row per layer. */
static void print_matrix(const moda_ablate_options *o, const moda_ablate *r)
{
    const moda_net *net = o->model->net;
    moda_table *t = moda_table_create("layer");
    for (size_t j = 0; j < o->outputs.n; j++)
        moda_table_column(t, true, "%u", o->model->class_ids[o->outputs.values[j]]);
    for (size_t l = 0; l < net->tracked_count; l++) {
        bool begun = false;
        for (size_t j = 0; j < o->outputs.n; j++) {
            const moda_ablation *found = NULL;
            for (size_t i = 0; i < r->count && !found; i++)
                if (r->items[i].layer == l && r->items[i].output == o->outputs.values[j])
                    found = &r->items[i];
            if (!found && !begun) continue;
            if (!begun) {
                moda_table_row(t, "%s", net->layers[net->tracked[l]].name);
                for (size_t skipped = 0; skipped < j; skipped++) moda_table_cell(t, "-");
            }
            begun = true;
            if (found)
                moda_table_cell(t, "%+.1f", 100 * moda_ablation_change(r, found));
            else
                moda_table_cell(t, "-");
        }
    }
    printf(
        "\npoints of accuracy that a class (columns) loses or gains with a layer's neurons off\n");
    moda_table_print(t);
    moda_table_destroy(t);
}

void moda_ablate_print(const moda_ablate_options *o, const moda_ablate *r)
{
    char a[32], b[32];
    print_classes(o, r);
    if (r->count == 0) {
        printf("no neuron to switch off: the masks of these classes %s none in these layers\n",
               o->choice == MODA_ABLATE_KEPT ? "keep" : "drop");
        return;
    }
    print_histogram(r);
    if (o->by_layer && o->outputs.n <= WIDEST_MATRIX)
        print_matrix(o, r);
    else if (!o->by_layer)
        print_worst(o, r);
    printf("%zu ablations in %.1f s, %.0f a minute; %s of %s passes run\n", r->count, r->seconds,
           (double)r->count / r->seconds * 60, moda_human_count(r->passes, a),
           moda_human_count(r->passes_plain, b));
}

/* ---- JSON ---- */

static json_t *ablation_json(const moda_ablate_options *o, const moda_ablate *r,
                             const moda_ablation *item)
{
    return json_pack("{s:I s:o s:I s:I s:I s:I s:o}", "layer", (json_int_t)item->layer, "name",
                     moda_json_text(layer_name(o, item)), o->by_layer ? "neurons" : "neuron",
                     (json_int_t)item->unit, "active", (json_int_t)item->active, "lost",
                     (json_int_t)item->lost, "gained", (json_int_t)item->gained, "change",
                     moda_json_number(moda_ablation_change(r, item)));
}

/* By layer every one is listed: they are few. */
static json_t *listed_json(const moda_ablate_options *o, const moda_ablate *r, size_t k)
{
    json_t *list = json_array();
    const moda_ablation *item = o->by_layer ? NULL : next_worst(r, k, NULL);
    for (size_t i = 0; i < WORST_SHOWN && item; i++, item = next_worst(r, k, item))
        json_array_append_new(list, ablation_json(o, r, item));
    for (size_t i = 0; o->by_layer && i < r->count; i++)
        if (r->items[i].output == k) json_array_append_new(list, ablation_json(o, r, &r->items[i]));
    return list;
}

static json_t *class_json(const moda_ablate_options *o, const moda_ablate *r, size_t k)
{
    const summary s = summarise(r, k);
    json_t *histogram = json_object();
    for (size_t b = 0; b < MODA_ABLATE_BINS; b++)
        json_object_set_new(histogram, moda_ablate_bin_names[b],
                            json_integer((json_int_t)s.histogram[b]));
    return json_pack("{s:I s:o s:I s:o s:I s:I s:I s:o s:o s:o}", "class",
                     (json_int_t)o->model->class_ids[k], "name",
                     moda_json_text(o->model->class_names[k]), "samples", (json_int_t)r->samples[k],
                     "accuracy", moda_json_number(accuracy(r, k)), "ablations",
                     (json_int_t)s.ablations, "active", (json_int_t)s.active, "critical",
                     (json_int_t)s.critical, "mean_change", moda_json_number(s.mean), "histogram",
                     histogram, o->by_layer ? "layers" : "worst", listed_json(o, r, k));
}

moda_status moda_ablate_json(const moda_ablate_options *o, const moda_ablate *r, json_t **result)
{
    moda_status st = MODA_OK;
    static const char *const choices[] = {"dropped", "kept", "all"};
    json_t *classes = json_array(), *report = NULL;
    int bad = 0;
    (void)moda_json_was_short(); /* what was before is not this report's */
    for (size_t j = 0; j < o->outputs.n; j++)
        bad |= json_array_append_new(classes, class_json(o, r, o->outputs.values[j]));
    report = json_pack("{s:o s:o s:s s:s s:I s:I s:I s:f s:O}", "data", moda_json_text(o->source),
                       "tau", moda_json_number(o->masks->tau), "neurons", choices[o->choice], "by",
                       o->by_layer ? "layer" : "neuron", "ablations", (json_int_t)r->count,
                       "passes", (json_int_t)r->passes, "passes_plain", (json_int_t)r->passes_plain,
                       "seconds", r->seconds, "classes", classes);
    MODA_CHECK(!bad && report && !moda_json_was_short(), MODA_ERR_NOMEM,
               "out of memory: the report of ablations");
    *result = json_incref(report);
out:
    json_decref(classes);
    json_decref(report);
    return st;
}

moda_status moda_ablate_write_csv(const char *path, const moda_ablate_options *o,
                                  const moda_ablate *r)
{
    moda_status st = MODA_OK;
    moda_writer w = {0};
    MODA_TRY(moda_writer_open(&w, path));
    fprintf(w.stream, "class,layer,name,%s,images,active,lost,gained,change\n",
            o->by_layer ? "neurons" : "neuron");
    for (size_t i = 0; i < r->count; i++) {
        const moda_ablation *item = &r->items[i];
        fprintf(w.stream, "%u,%u,", o->model->class_ids[item->output], item->layer);
        moda_csv_text(w.stream, layer_name(o, item));
        fprintf(w.stream, ",%u,%zu,%u,%u,%u,%.6f\n", item->unit, r->samples[item->output],
                item->active, item->lost, item->gained, moda_ablation_change(r, item));
    }
    MODA_TRY(moda_writer_commit(&w));
out:
    moda_writer_abort(&w);
    return st;
}
