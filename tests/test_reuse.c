/* Reuse: all sub-tasks by sharing, against each network composed and evaluated alone. */
#include "base/json.h"
#include "decompose/compose.h"
#include "decompose/metrics.h"
#include "decompose/reuse.h"
#include "engine/evaluate.h"
#include "tests/capture.h"
#include "tests/formula.h"
#include "tests/random_graph.h"
#include "tests/reuse_subject.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(reuse, .init = reuse_prepare, .fini = test_folder_remove, .timeout = 300);

/* Right answers per output of the model for sub-task t, the plain way. */
static void plain_way(const reuse_subject *s, size_t t, size_t *correct)
{
    size_t classes[16] = {0}, samples[16], right[16];
    const uint32_t *outputs = moda_subtask_outputs(s->subtasks, t);
    const size_t n = moda_subtask_size(s->subtasks, t);
    moda_model *module = NULL;
    moda_runner *runner = NULL;
    moda_evaluation result;
    for (size_t i = 0; i < n; i++) classes[i] = outputs[i];
    reuse_must(moda_compose(s->model, s->masks, classes, n, &module));
    reuse_must(moda_runner_create(module, 50, NULL, NULL, &runner));
    reuse_must(moda_evaluate(moda_runner_executor(runner), module, &s->images,
                             &(moda_evaluation_wish){.samples = samples, .correct = right},
                             &result));
    for (size_t i = 0; i < n; i++) correct[outputs[i]] = right[i];
    moda_runner_destroy(runner);
    moda_model_destroy(module);
}

/* Entry of a journal: right answers of a sub-task's network on the images of one class. */
typedef struct entry {
    size_t subtask, output, correct;
} entry;

static size_t output_of(const moda_model *m, size_t number)
{
    size_t k = 0;
    while (k < m->net->classes && m->class_ids[k] != number) k++;
    return k;
}

static size_t find_subtask(const reuse_subject *s, const json_t *list)
{
    for (size_t t = 0; t < s->subtasks->count; t++) {
        const uint32_t *outputs = moda_subtask_outputs(s->subtasks, t);
        size_t same = 0;
        if (moda_subtask_size(s->subtasks, t) != json_array_size(list)) continue;
        for (size_t i = 0; i < json_array_size(list); i++)
            same += s->model->class_ids[outputs[i]] ==
                    (size_t)json_integer_value(json_array_get(list, i));
        if (same == json_array_size(list)) return t;
    }
    cr_assert(false, "an unknown sub-task");
    return 0;
}

static entry read_entry(const reuse_subject *s, const char *line, size_t length)
{
    json_t *json = json_loadb(line, length, 0, NULL);
    cr_assert(json != NULL, "%.*s", (int)length, line);
    const entry e = {
        find_subtask(s, json_object_get(json, "subtask")),
        output_of(s->model, (size_t)json_integer_value(json_object_get(json, "class"))),
        (size_t)json_integer_value(json_object_get(json, "correct"))};
    json_decref(json);
    return e;
}

/* Every line of the journal is what the plain way gives; *lines of them. */
static size_t check_journal(const reuse_subject *s, const char *path)
{
    const size_t classes = s->model->net->classes, tasks = s->subtasks->count;
    size_t *want = calloc(tasks * classes, sizeof *want), lines = 0, distinct = 0, seen[512] = {0};
    char *text = test_read(path);
    for (size_t t = 0; t < tasks; t++) plain_way(s, t, want + t * classes);
    for (char *at = strchr(text, '\n') + 1, *end; (end = strchr(at, '\n')); at = end + 1, lines++) {
        const entry e = read_entry(s, at, (size_t)(end - at));
        const size_t right = want[e.subtask * classes + e.output];
        cr_assert(eq(sz, e.correct, right), "sub-task %zu, output %zu", e.subtask, e.output);
        if (seen[right % 512]++ == 0) distinct++;
    }
    cr_assert(distinct >= 4, "only %zu different counts: these images prove nothing", distinct);
    free(text);
    free(want);
    return lines;
}

/* 1,013 sub-tasks, and each class of each of them. */
Test(reuse, lenet_predicts_as_each_network_composed_and_evaluated_alone)
{
    reuse_subject s;
    reuse_lenet(&s, 100, 0);
    s.options.journal = test_path("reuse.jsonl");
    moda_reuse *r = reuse_run(&s);
    cr_assert(eq(sz, r->count, 1013));
    cr_assert(eq(sz, r->total, 5110));
    cr_assert(eq(sz, r->resumed, 0));
    cr_assert(eq(sz, check_journal(&s, s.options.journal), 5110));
    cr_assert(lt(sz, r->sharing.segments, r->sharing.segments_plain * 2 / 3), "%zu of %zu",
              r->sharing.segments, r->sharing.segments_plain);
    cr_assert(lt(sz, 5110, r->sharing.segments), "all masks alike: %zu", r->sharing.segments);
    moda_reuse_destroy(r);
    reuse_discard(&s);
}

/* Branches, additions, depthwise convolutions, [select]s: whatever composing comes to. */
Test(reuse, random_graphs_predict_as_each_network_alone)
{
    for (uint64_t seed = 1; seed <= 30; seed++) {
        random_source source = random_seed(seed);
        reuse_subject s = {.model = random_graph(&source, seed % 2)};
        for (size_t c = 0; c < 3; c++) s.model->mean[c] = 0.5f, s.model->std[c] = 0.25f;
        reuse_draw_images(&s, 60, seed);
        reuse_draw_masks(&s, 0.8, seed);
        reuse_finish(&s, 0);
        s.options.journal = test_path("graph.jsonl");
        remove(s.options.journal);
        moda_reuse *r = reuse_run(&s);
        cr_assert(eq(sz, r->count, 26));
        char *text = test_read(s.options.journal);
        size_t *want = calloc(26 * 5, sizeof *want), lines = 0;
        for (size_t t = 0; t < 26; t++) plain_way(&s, t, want + t * 5);
        for (char *at = strchr(text, '\n') + 1, *end; (end = strchr(at, '\n'));
             at = end + 1, lines++) {
            const entry e = read_entry(&s, at, (size_t)(end - at));
            cr_assert(eq(sz, e.correct, want[e.subtask * 5 + e.output]),
                      "seed %zu, sub-task %zu, output %zu", (size_t)seed, e.subtask, e.output);
        }
        cr_assert(eq(sz, lines, 75)); /* each class is in 15 of the 26 */
        free(want);
        free(text);
        moda_reuse_destroy(r);
        reuse_discard(&s);
    }
}

/* ---- figures ---- */

/* The whole model and a standard one restricted to the classes, against moda_evaluate() doing so. */
Test(reuse, networks_to_compare_with_are_restricted_to_the_classes)
{
    reuse_subject s;
    reuse_lenet(&s, 150, 8);
    moda_model *standard = formula_model("lenet5", 10);
    memcpy(standard->class_ids, s.model->class_ids, 10 * sizeof *standard->class_ids);
    for (size_t k = 0; k < 5; k++) { /* its outputs stand in another order */
        const uint32_t swap = standard->class_ids[k];
        standard->class_ids[k] = standard->class_ids[9 - k];
        standard->class_ids[9 - k] = swap;
    }
    s.options.standard = standard;
    moda_reuse *r = reuse_run(&s);
    moda_runner *whole = NULL, *other = NULL;
    reuse_must(moda_runner_create(s.model, 50, NULL, NULL, &whole));
    reuse_must(moda_runner_create(standard, 50, NULL, NULL, &other));
    size_t differ = 0;
    for (size_t t = 0; t < r->count; t++) {
        size_t mine[10], theirs[10], n = moda_subtask_size(s.subtasks, t), m = 0;
        moda_evaluation a, b;
        for (size_t i = 0; i < n; i++) mine[i] = moda_subtask_outputs(s.subtasks, t)[i];
        for (size_t k = 0; k < 10; k++)
            for (size_t i = 0; i < n; i++)
                if (standard->class_ids[k] == s.model->class_ids[mine[i]]) theirs[m++] = k;
        reuse_must(moda_evaluate(moda_runner_executor(whole), s.model, &s.images,
                                 &(moda_evaluation_wish){.outputs = {mine, n}}, &a));
        reuse_must(moda_evaluate(moda_runner_executor(other), standard, &s.images,
                                 &(moda_evaluation_wish){.outputs = {theirs, n}}, &b));
        cr_assert(eq(sz, r->rows[t].samples, a.samples), "sub-task %zu", t);
        cr_assert(eq(sz, r->rows[t].modular, a.correct), "sub-task %zu", t);
        cr_assert(eq(sz, r->rows[t].standard, b.correct), "sub-task %zu", t);
        differ += r->rows[t].modular != r->rows[t].standard;
    }
    cr_assert(lt(sz, 0, differ), "both networks do the same: nothing is shown");
    moda_runner_destroy(whole);
    moda_runner_destroy(other);
    moda_reuse_destroy(r);
    moda_model_destroy(standard);
    reuse_discard(&s);
}

Test(reuse, means_are_over_sub_tasks_of_a_size_then_over_sizes)
{
    reuse_subject s;
    reuse_lenet(&s, 30, 0);
    moda_reuse *r = reuse_run(&s);
    double sum[11] = {0}, all = 0, sizes = 0, size_sum[11] = {0};
    size_t count[11] = {0};
    for (size_t t = 0; t < r->count; t++) {
        const size_t n = moda_subtask_size(s.subtasks, t);
        const double accuracy = (double)r->rows[t].composed / (double)r->rows[t].samples;
        size_t classes[10];
        moda_kept *kept = NULL;
        for (size_t i = 0; i < n; i++) classes[i] = moda_subtask_outputs(s.subtasks, t)[i];
        reuse_must(moda_kept_of_classes(s.model->net, s.masks, classes, n, &kept));
        cr_assert(eq(sz, r->rows[t].parameters, moda_module_parameters(s.model->net, kept)));
        cr_assert(eq(u64, r->rows[t].flops, moda_module_flops(s.model->net, kept)));
        sum[n] += accuracy, all += accuracy, count[n]++;
        size_sum[n] +=
            (double)r->rows[t].parameters / (double)moda_network_parameters(s.model->net);
        moda_kept_destroy(kept);
    }
    cr_assert(eq(sz, r->size_count, 9));
    for (size_t i = 0; i < 9; i++) {
        const moda_reuse_mean *m = &r->sizes[i];
        cr_assert(eq(sz, m->classes, i + 2));
        cr_assert(eq(sz, m->tasks, count[i + 2]));
        cr_assert(epsilon_eq(dbl, m->composed, sum[i + 2] / (double)count[i + 2], 1e-12));
        cr_assert(epsilon_eq(dbl, m->size, size_sum[i + 2] / (double)count[i + 2], 1e-12));
        cr_assert(isnan(m->standard));
        sizes += m->composed / 9;
    }
    cr_assert(epsilon_eq(dbl, r->by_size.composed, sizes, 1e-12));
    cr_assert(epsilon_eq(dbl, r->by_task.composed, all / 1013, 1e-12));
    cr_assert(fabs(sizes - all / 1013) > 1e-4, "both means are %g: nothing is shown", sizes);
    moda_reuse_destroy(r);
    reuse_discard(&s);
}

/* With one mask for all, a class runs each segment once, whatever the number of sub-tasks. */
Test(reuse, equal_masks_share_everything)
{
    reuse_subject s;
    reuse_lenet(&s, 60, 0);
    const moda_class_tables *t = &s.masks->shape;
    for (size_t l = 0; l < t->layers; l++)
        for (size_t c = 1; c < t->classes; c++)
            memcpy(s.masks->values + t->offset[l] + c * t->units[l], s.masks->values + t->offset[l],
                   t->units[l]);
    moda_reuse *r = reuse_run(&s);
    cr_assert(eq(sz, r->sharing.segments, 10 * 5)); /* ten classes, five layers with weights */
    cr_assert(eq(sz, r->sharing.segments_plain, 5110 * 5));
    moda_reuse_destroy(r);
    reuse_discard(&s);
}

/* Sub-tasks that part in a convolution alone: each class runs it once for all of them, and what follows
 * once for every set of channels that any of them keeps. */
Test(reuse, a_layer_in_which_sub_tasks_part_runs_once)
{
    reuse_subject s;
    reuse_lenet(&s, 60, 0);
    const moda_class_tables *t = &s.masks->shape;
    uint8_t *rows = s.masks->values + t->offset[1];
    const size_t units = t->units[1];
    for (size_t l = 2; l < t->layers; l++)
        for (size_t c = 1; c < t->classes; c++)
            memcpy(s.masks->values + t->offset[l] + c * t->units[l], s.masks->values + t->offset[l],
                   t->units[l]);
    size_t want = 0;
    for (uint32_t k = 0; k < 10; k++) {
        uint64_t sets[512];
        size_t distinct = 0;
        for (uint32_t task = 1u << k, n = 0; n < 1024; n++) {
            uint64_t bits = 0;
            size_t i = 0;
            if ((n & task) == 0 || n == task) continue;
            for (size_t c = 0; c < 10; c++)
                for (size_t u = 0; (n >> c & 1) && u < units; u++)
                    bits |= (uint64_t)(rows[c * units + u] != 0) << u;
            while (i < distinct && sets[i] != bits) i++;
            if (i == distinct) sets[distinct++] = bits;
        }
        cr_assert(lt(sz, 2, distinct), "class %u", k);
        want += 2 + 3 * distinct;
    }
    moda_reuse *r = reuse_run(&s);
    cr_assert(eq(sz, r->sharing.segments, want));
    moda_reuse_destroy(r);
    reuse_discard(&s);
}

/* What each class has right in all sub-tasks adds up to what the sub-tasks have. */
Test(reuse, classes_add_up)
{
    reuse_subject s;
    size_t want[3] = {0}, got[3] = {0};
    reuse_lenet(&s, 60, 2);
    moda_reuse *r = reuse_run(&s);
    for (size_t t = 0; t < r->count; t++) {
        want[0] += r->rows[t].samples;
        want[1] += r->rows[t].composed;
        want[2] += r->rows[t].modular;
    }
    for (size_t k = 0; k < 10; k++) {
        got[0] += r->classes[k].samples;
        got[1] += r->classes[k].composed;
        got[2] += r->classes[k].modular;
        cr_assert(ge(sz, r->classes[k].samples, r->classes[k].modular));
    }
    for (size_t i = 0; i < 3; i++) cr_assert(eq(sz, got[i], want[i]));
    cr_assert(lt(sz, 0, want[1]));
    moda_reuse_destroy(r);
    reuse_discard(&s);
}
