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
#include <sys/stat.h>
#include <unistd.h>

static const char *root;

static void begin(void)
{
    root = test_folder();
}

TestSuite(report, .timeout = 60, .init = begin, .fini = test_folder_remove);

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

/* Files of the outer run come before and after the inner one. */
Test(report, run_inside_a_run)
{
    json_t *runs = NULL;
    put("a", "config.json", "{}");
    put("a", "a.eval.json", "{\"accuracy\": 1}");
    put("a/inner", "config.json", "{}");
    put("a/inner/deep", "b.eval.json", "{\"accuracy\": 1}");
    put("a/yak", "c.eval.json", "{\"accuracy\": 1}");
    put("a", "z.eval.json", "{\"accuracy\": 1}");
    put("b", "d.eval.json", "{\"accuracy\": 1}"); /* of no run */
    cr_assert(eq(int, moda_report_collect(root, &runs), MODA_OK), "%s", moda_last_error());
    cr_assert(eq(sz, json_array_size(runs), 2));
    const char *const names[2][3] = {{"a", "c", "z"}, {"b"}};
    const size_t counts[2] = {3, 1};
    for (size_t r = 0; r < 2; r++) {
        const json_t *list = json_object_get(json_array_get(runs, r), "evaluations");
        cr_assert(eq(sz, json_array_size(list), counts[r]), "run %zu", r);
        for (size_t i = 0; i < counts[r]; i++) {
            const json_t *name = json_object_get(json_array_get(list, i), "name");
            cr_expect(eq(str, (char *)json_string_value(name), (char *)names[r][i]), "run %zu", r);
        }
    }
    json_decref(runs);
}

/* A folder may be called anything. */
Test(report, names_that_are_no_utf_8_or_no_line)
{
    json_t *runs = NULL;
    put("M\xFCtze|a\nb", "config.json", "{\"model\": \"lenet5\"}");
    put("M\xFCtze|a\nb", "\xFF.eval.json", "{\"accuracy\": 0.5}");
    cr_assert(eq(int, moda_report_collect(root, &runs), MODA_OK), "%s", moda_last_error());
    test_capture(STDOUT_FILENO);
    moda_report_print(runs);
    char *text = test_captured();
    cr_expect(ne(ptr, strstr(text, "  M\xEF\xBF\xBDtze|a?b\n"), NULL), "%s", text);
    cr_expect(ne(ptr, strstr(text, "\naccuracy, \xEF\xBF\xBD             0.5000\n"), NULL), "%s",
              text);
    free(text);
    json_decref(runs);
}

/* Root may read everything: so the user is another one for a while. */
Test(report, folder_that_cannot_be_read_is_left_out)
{
    json_t *runs = NULL;
    put("a", "config.json", "{}");
    put("a/closed", "few.eval.json", "{\"accuracy\": 1}");
    const char *closed = test_path("a/closed");
    cr_assert(eq(int, chmod(root, 0755) | chmod(closed, 0), 0));
    test_capture(STDERR_FILENO);
    const bool is_root = geteuid() == 0;
    if (is_root) cr_assert(eq(int, seteuid(65534), 0));
    const bool reached = eaccess(root, R_OK | X_OK) == 0; /* not where TMPDIR is root's alone */
    const moda_status st = moda_report_collect(root, &runs);
    if (is_root) cr_assert(eq(int, seteuid(0), 0));
    cr_assert(eq(int, chmod(closed, 0755), 0));
    char *text = test_captured();
    if (!reached) {
        free(text), json_decref(runs);
        cr_skip_test("no other user can read %s", root);
    }
    cr_assert(eq(int, st, MODA_OK), "%s", moda_last_error());
    cr_expect(eq(sz, json_array_size(runs), 1));
    cr_expect(ne(ptr, strstr(text, "a/closed: Permission denied"), NULL), "%s", text);
    free(text);
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
