/* tests/test_report.c - bench/report.h: what is found below a folder, and what is passed over. */
#include "base/file.h"
#include "base/log.h"
#include "bench/report.h"
#include "tests/capture.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *root;

static void begin(void)
{
    root = test_folder();
}

TestSuite(report, .timeout = 20, .init = begin, .fini = test_folder_remove);

/* Writes a file, and the folder it is in. */
static void put(const char *folder, const char *name, const char *text)
{
    char *path = moda_format("%s/%s", folder, name);
    cr_assert(eq(int, moda_make_directory(test_path(folder)), MODA_OK));
    test_write(path, text);
    free(path);
}

Test(report, collects_runs_with_what_lies_below_them)
{
    json_t *runs = NULL;
    put("b", "config.json", "{\"model\": \"lenet5\", \"method\": \"moda\"}");
    put("b", "metrics.jsonl",
        "{\"epoch\": 1}\n{\"epoch\": 2, \"test_accuracy\": 0.5}\n{\"epoch\": 3");
    put("b/modules", "decomposition.json", "{\"tau\": 0.9, \"mean_size\": 0.25}");
    put("b", "few.eval.json", "{\"accuracy\": 0.75}");
    put("a", "config.json", "{\"model\": \"vgg16\"}");
    put("a", "few.compose.json", "{\"size\": 0.125}");
    put("elsewhere", "few.eval.json", "{\"accuracy\": 1}");
    cr_assert(eq(int, moda_report_collect(root, &runs), MODA_OK), "%s", moda_last_error());
    cr_assert(eq(sz, json_array_size(runs), 2));
    const json_t *a = json_array_get(runs, 0), *b = json_array_get(runs, 1);
    cr_expect(eq(str, (char *)json_string_value(json_object_get(a, "run")), "a"));
    cr_expect(eq(str, (char *)json_string_value(json_object_get(b, "run")), "b"));
    /* the line that was cut short does not count */
    cr_expect(
        eq(i64, json_integer_value(json_object_get(json_object_get(b, "epoch"), "epoch")), 2));
    cr_expect(eq(dbl,
                 json_real_value(json_object_get(json_object_get(b, "decomposition"), "mean_size")),
                 0.25));
    cr_expect(eq(sz, json_array_size(json_object_get(a, "compositions")), 1));
    cr_expect(eq(sz, json_array_size(json_object_get(a, "evaluations")), 0));
    const json_t *few = json_array_get(json_object_get(b, "evaluations"), 0);
    cr_expect(eq(str, (char *)json_string_value(json_object_get(few, "name")), "few"));
    json_decref(runs);
}

Test(report, folder_itself_can_be_the_run)
{
    json_t *runs = NULL;
    put(".", "config.json", "{\"model\": \"lenet5\"}");
    put(".", "metrics.jsonl", "{\"epoch\": 7}\n");
    cr_assert(eq(int, moda_report_collect(root, &runs), MODA_OK), "%s", moda_last_error());
    const json_t *run = json_array_get(runs, 0);
    cr_assert(eq(sz, json_array_size(runs), 1));
    cr_expect(
        eq(i64, json_integer_value(json_object_get(json_object_get(run, "epoch"), "epoch")), 7));
    json_decref(runs);
}

Test(report, broken_file_is_left_out)
{
    json_t *runs = NULL;
    moda_log_set_level(MODA_LOG_ERROR);
    put("a", "config.json", "{}");
    put("a", "decomposition.json", "{\"tau\": ");
    cr_assert(eq(int, moda_report_collect(root, &runs), MODA_OK), "%s", moda_last_error());
    const json_t *decomposition = json_object_get(json_array_get(runs, 0), "decomposition");
    cr_expect(eq(int, json_is_null(decomposition), 1));
    json_decref(runs);
}

Test(report, nothing_to_report_is_an_error)
{
    json_t *runs = NULL;
    cr_expect(eq(int, moda_report_collect("/nonexistent", &runs), MODA_ERR_IO));
    cr_expect(ne(ptr, strstr(moda_last_error(), "/nonexistent"), NULL), "%s", moda_last_error());
    cr_expect(eq(int, moda_report_collect(root, &runs), MODA_ERR_IO));
    cr_expect(ne(ptr, strstr(moda_last_error(), root), NULL), "%s", moda_last_error());
}
