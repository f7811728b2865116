/* Reuse: runs that were cut short, and what is refused. */
#include "decompose/reuse.h"
#include "decompose/reuse_journal.h"
#include "tests/capture.h"
#include "tests/formula.h"
#include "tests/reuse_subject.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(reuse_journal, .init = reuse_prepare, .fini = test_folder_remove, .timeout = 120);

/* ---- interrupted and continued ---- */

static void check_same_rows(const moda_reuse *a, const moda_reuse *b)
{
    cr_assert(eq(sz, a->count, b->count));
    for (size_t t = 0; t < a->count; t++) {
        cr_assert(eq(sz, a->rows[t].composed, b->rows[t].composed), "sub-task %zu", t);
        cr_assert(eq(sz, a->rows[t].samples, b->rows[t].samples), "sub-task %zu", t);
    }
}

/* Wherever it was cut, in the middle of a line too. */
Test(reuse_journal, a_journal_that_ends_anywhere_is_continued)
{
    reuse_subject s;
    reuse_lenet(&s, 40, 5);
    const char *path = test_path("cut.jsonl");
    moda_reuse *once = reuse_run(&s);
    s.options.journal = path;
    moda_reuse_destroy(reuse_run(&s));
    char *whole = test_read(path);
    const size_t length = strlen(whole), cuts[] = {0, 40, length / 3, length / 2 + 1, length - 1};
    for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
        FILE *f = fopen(path, "wb");
        fwrite(whole, 1, cuts[i], f);
        fclose(f);
        moda_reuse *r = reuse_run(&s);
        char *after = test_read(path);
        cr_assert(i < 2 ? r->resumed == 0 : r->resumed > 0, "cut at %zu: %zu", cuts[i], r->resumed);
        cr_assert(eq(sz, strlen(after), length), "cut at %zu", cuts[i]);
        check_same_rows(once, r);
        free(after);
        moda_reuse_destroy(r);
    }
    moda_reuse *again = reuse_run(&s);
    cr_assert(eq(sz, again->resumed, again->total));
    check_same_rows(once, again);
    moda_reuse_destroy(again);
    moda_reuse_destroy(once);
    free(whole);
    reuse_discard(&s);
}

static void expect_refusal(const reuse_subject *s, moda_status code, const char *word)
{
    moda_reuse *r = NULL;
    cr_assert(eq(int, moda_reuse_run(&s->options, &r), code), "%s", moda_last_error());
    cr_assert(strstr(moda_last_error(), word) != NULL, "%s", moda_last_error());
    cr_assert(strchr(moda_last_error(), '\n') == NULL, "%s", moda_last_error());
}

Test(reuse_journal, a_journal_of_something_else_is_refused)
{
    reuse_subject s;
    reuse_lenet(&s, 40, 5);
    const char *path = test_path("other.jsonl");
    s.options.journal = path;
    moda_reuse_destroy(reuse_run(&s));
    s.model->values[7] += 0.5f;
    expect_refusal(&s, MODA_ERR_FORMAT, "other weights");
    s.model->values[7] -= 0.5f;
    s.masks->values[9] ^= 1, s.masks->tau = 0.5;
    expect_refusal(&s, MODA_ERR_FORMAT, "other masks (tau 0.9, these have 0.5)");
    s.masks->values[9] ^= 1, s.masks->tau = 0.9;
    s.images.pixels[99] ^= 1;
    expect_refusal(&s, MODA_ERR_FORMAT, "other images");
    s.images.pixels[99] ^= 1;
    moda_reuse_destroy(reuse_run(&s)); /* all as before: taken */
    test_write("other.jsonl", "{\"epoch\": 1}\n");
    expect_refusal(&s, MODA_ERR_FORMAT, "not results of moda reuse");
    test_write("other.jsonl", "precious notes without an end of line");
    expect_refusal(&s, MODA_ERR_FORMAT, "not results of moda reuse");
    char *kept = test_read(path);
    cr_assert(eq(str, kept, "precious notes without an end of line"));
    free(kept);
    reuse_discard(&s);
}

/* ---- what cannot be judged ---- */

Test(reuse_journal, a_class_without_images_is_named)
{
    reuse_subject s;
    reuse_lenet(&s, 60, 5);
    s.model->class_names[4] = strdup("coat");
    for (size_t i = 0; i < s.images.n; i++)
        if (s.images.labels[i] == s.model->class_ids[4]) s.images.labels[i] = s.model->class_ids[5];
    expect_refusal(&s, MODA_ERR_ARG, "class 13 coat has no test image");
    reuse_discard(&s);
}

Test(reuse_journal, a_standard_model_of_other_classes_is_refused)
{
    reuse_subject s;
    reuse_lenet(&s, 40, 5);
    moda_model *standard = formula_model("lenet5", 10);
    s.options.standard = standard;
    expect_refusal(&s, MODA_ERR_ARG, "no output for class");
    moda_model_destroy(standard);
    reuse_discard(&s);
}

Test(reuse_journal, images_of_another_size_are_refused)
{
    reuse_subject s;
    reuse_lenet(&s, 40, 5);
    s.images.height = 16;
    expect_refusal(&s, MODA_ERR_ARG, "3x16x32");
    reuse_discard(&s);
}

Test(reuse_journal, a_mask_that_keeps_nothing_names_the_sub_task)
{
    reuse_subject s;
    reuse_lenet(&s, 40, 0);
    const moda_class_tables *t = &s.masks->shape;
    for (size_t c = 0; c < 2; c++)
        memset(s.masks->values + t->offset[1] + c * t->units[1], 0, t->units[1]);
    expect_refusal(&s, MODA_ERR_UNSUPPORTED, "classes 5,3");
    reuse_discard(&s);
}
