/* Sub-tasks: all of them, samples of them, and those of a file. */
#include "decompose/subtasks.h"
#include "tests/capture.h"
#include "tests/formula.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static moda_model *model;

static void prepare(void)
{
    test_folder();
    model = formula_model("lenet5", 10);
    for (uint32_t k = 0; k < 10; k++) model->class_ids[k] = 20 + k; /* numbers are not outputs */
}

static void clean(void)
{
    moda_model_destroy(model);
    test_folder_remove();
}

TestSuite(subtasks, .timeout = 60);
TestSuite(subtasks_file, .init = prepare, .fini = clean, .timeout = 60);

static const size_t ten[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};

static moda_subtasks *choose(moda_subtask_choice choice)
{
    moda_subtasks *s = NULL;
    cr_assert(eq(int, moda_subtasks_choose(&choice, &s), MODA_OK), "%s", moda_last_error());
    return s;
}

/* As a number whose bits are the outputs; ascending order is checked on the way. */
static unsigned long bits(const moda_subtasks *s, size_t i)
{
    unsigned long b = 0;
    const uint32_t *outputs = moda_subtask_outputs(s, i);
    for (size_t k = 0; k < moda_subtask_size(s, i); k++) {
        cr_assert(k == 0 || outputs[k] > outputs[k - 1], "sub-task %zu is not ascending", i);
        b |= 1ul << outputs[k];
    }
    return b;
}

Test(subtasks, all_of_ten_classes_are_1013_and_each_is_there_once)
{
    moda_subtasks *s = choose((moda_subtask_choice){ten, 10, {0}, 0, 0});
    unsigned char seen[1024] = {0};
    cr_assert(eq(sz, s->count, 1013)); /* 2^10 - 10 - 1 */
    for (size_t i = 0; i < s->count; i++) {
        seen[bits(s, i)]++;
        cr_assert(i == 0 || moda_subtask_size(s, i) >= moda_subtask_size(s, i - 1));
    }
    for (unsigned long b = 0; b < 1024; b++)
        cr_assert(eq(int, seen[b], __builtin_popcountl(b) >= 2), "subset %lx", b);
    moda_subtasks_destroy(s);
}

Test(subtasks, sizes_and_outputs_can_be_named)
{
    const size_t outputs[] = {2, 3, 7, 9};
    size_t two_four[] = {2, 4};
    moda_subtasks *s = choose((moda_subtask_choice){outputs, 4, {two_four, 2}, 0, 0});
    cr_assert(eq(sz, s->count, 7)); /* 6 pairs and the four */
    cr_assert(eq(ulong, bits(s, 0), 1ul << 2 | 1ul << 3));
    cr_assert(eq(ulong, bits(s, 6), 1ul << 2 | 1ul << 3 | 1ul << 7 | 1ul << 9));
    moda_subtasks_destroy(s);
}

Test(subtasks, a_sample_has_no_repeats_and_depends_on_the_seed_alone)
{
    const moda_subtask_choice choice = {ten, 10, {0}, 44, 5};
    moda_subtask_choice other = choice;
    moda_subtasks *a = choose(choice), *b = choose(choice);
    other.seed = 6;
    moda_subtasks *c = choose(other);
    size_t per_size[11] = {0}, same = 0;
    /* C(10,2) = C(10,8) = 45 leave one out; C(10,9) = 10 and C(10,10) = 1 are all there */
    const size_t want[11] = {0, 0, 44, 44, 44, 44, 44, 44, 44, 10, 1};
    cr_assert(eq(sz, a->count, b->count));
    cr_assert(eq(sz, a->count, c->count));
    for (size_t i = 0; i < a->count; i++) {
        per_size[moda_subtask_size(a, i)]++;
        cr_assert(eq(ulong, bits(a, i), bits(b, i)));
        same += bits(a, i) == bits(c, i);
        for (size_t j = 0; j < i; j++) cr_assert(bits(a, i) != bits(a, j), "%zu repeats %zu", i, j);
    }
    for (size_t k = 2; k <= 10; k++) cr_assert(eq(sz, per_size[k], want[k]), "size %zu", k);
    cr_assert(lt(sz, same, a->count), "another seed drew the same");
    moda_subtasks_destroy(a);
    moda_subtasks_destroy(b);
    moda_subtasks_destroy(c);
}

/* Every subset of a size is drawn about equally often: 2000 seeds, 2 of the 10 pairs of 5. */
Test(subtasks, a_sample_favours_no_subset)
{
    size_t pair[] = {2}, times[32] = {0};
    for (uint64_t seed = 0; seed < 2000; seed++) {
        moda_subtasks *s = choose((moda_subtask_choice){ten, 5, {pair, 1}, 2, seed});
        cr_assert(eq(sz, s->count, 2));
        times[bits(s, 0)]++, times[bits(s, 1)]++;
        moda_subtasks_destroy(s);
    }
    for (unsigned b = 0; b < 32; b++)
        if (__builtin_popcount(b) == 2) /* 400 expected, standard deviation 18 */
            cr_assert(fabs((double)times[b] - 400) < 90, "subset %x: %zu times", b, times[b]);
}

Test(subtasks, wrong_choices)
{
    moda_subtasks *s = NULL;
    size_t eleven[] = {11}, many[1000];
    for (size_t i = 0; i < 1000; i++) many[i] = i;
    const struct {
        moda_subtask_choice choice;
        const char *word;
    } cases[] = {{{ten, 1, {0}, 0, 0}, "at least two"},
                 {{ten, 10, {eleven, 1}, 0, 0}, "--sizes: 11"},
                 {{many, 1000, {0}, 0, 0}, "--sample"},
                 {{many, 1000, {0}, 100000, 0}, "--sample"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cr_assert(eq(int, moda_subtasks_choose(&cases[i].choice, &s), MODA_ERR_ARG));
        cr_assert(strstr(moda_last_error(), cases[i].word) != NULL, "%s", moda_last_error());
    }
}

Test(subtasks_file, lists_become_outputs_in_the_common_order)
{
    const char *path = test_write("tasks", "29,20,25\r\n22,21\n20,29\n28,21");
    moda_subtasks *s = NULL;
    cr_assert(eq(int, moda_subtasks_read(path, model, &s), MODA_OK), "%s", moda_last_error());
    cr_assert(eq(sz, s->count, 4));
    cr_assert(eq(ulong, bits(s, 0), 1ul << 0 | 1ul << 9));
    cr_assert(eq(ulong, bits(s, 1), 1ul << 1 | 1ul << 2));
    cr_assert(eq(ulong, bits(s, 2), 1ul << 1 | 1ul << 8));
    cr_assert(eq(ulong, bits(s, 3), 1ul << 0 | 1ul << 5 | 1ul << 9));
    moda_subtasks_destroy(s);
}

Test(subtasks_file, wrong_lines_are_named)
{
    static const struct {
        const char *text, *line, *word;
    } cases[] = {{"20,21\n22,23,22\n", "line 2", "class 22 stands there twice"},
                 {"20,21\n\n20,22\n", "line 2 ", "empty"},
                 {"20,21\n20,22\n\n", "line 3 ", "empty"},
                 {"\n", "line 1 ", "empty"},
                 {"20,21\n20,22\n3,20\n", "line 3", "no class 3"},
                 {"20,21\n22\n", "line 2", "two or more"},
                 {"20,21\n22;23\n", "line 2", "'22;23' is no list"},
                 {"20,21\n22, 23\n", "line 2", "no list"},
                 {"20,21\n22,\n", "line 2", "no list"},
                 {"20,21\n-1,22\n", "line 2", "no list"},
                 {"20,21\n22,23\n21,20\n", "line 3", "repeats the sub-task of line 1"},
                 {"", "tasks", "empty"}};
    moda_subtasks *s = NULL;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *path = test_write("tasks", cases[i].text);
        cr_assert(eq(int, moda_subtasks_read(path, model, &s), MODA_ERR_FORMAT), "case %zu", i);
        const char *said = moda_last_error();
        cr_assert(strncmp(said, path, strlen(path)) == 0, "%s", said);
        cr_assert(strstr(said, cases[i].line) && strstr(said, cases[i].word), "case %zu: %s", i,
                  said);
        cr_assert(strchr(said, '\n') == NULL, "%s", said);
    }
    cr_assert(eq(int, moda_subtasks_read(test_path("none"), model, &s), MODA_ERR_IO));
}
