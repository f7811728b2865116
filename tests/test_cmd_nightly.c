/* tests/test_cmd_nightly.c - moda nightly as a whole. Verdicts here are on bytes that a plan needs,
 * which repeat exactly; times are the machine's. */
#include "tests/capture.h"
#include "tests/program.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(cmd_nightly, .fini = test_folder_remove, .timeout = 300);

#define FIGURE "step.lenet5.standard.f32.planned"
#define NIGHT                                                                      \
    "nightly --only " FIGURE " --rounds 1 --patience 0.1 --threads 1 --bind none " \
    "--history h.jsonl --quiet "

/* The first night's line with another value, another name and commit, behind it. */
static void add_night(const json_t *first, json_int_t bytes, const char *commit)
{
    json_t *line = json_deep_copy(first);
    json_t *figure = json_object_get(json_object_get(line, "figures"), FIGURE);
    json_object_set_new(figure, "value", json_integer(bytes));
    json_object_set_new(line, "run", json_string(commit));
    json_object_set_new(json_object_get(line, "machine"), "commit", json_string(commit));
    char *text = json_dumps(line, JSON_COMPACT), *old = test_read(test_path("h.jsonl"));
    char *all = malloc(strlen(old) + strlen(text) + 2);
    sprintf(all, "%s%s\n", old, text);
    test_write("h.jsonl", all);
    free(text), free(old), free(all);
    json_decref(line);
}

Test(cmd_nightly, a_regression_is_named_fails_and_can_be_accepted)
{
    char *out = strdup(program_must(NIGHT "--json n.json --page p.html").out);
    cr_assert(ne(ptr, (void *)strstr(out, "not enough history: 0 of 1 run"), NULL), "%s", out);
    free(out);
    json_t *first = program_json("n.json");
    test_write("h.jsonl", "");
    add_night(first, 1000000, "good1");
    add_night(first, 1000000, "good2");
    const program_result r = program_run(NIGHT "--json n.json --page p.html");
    cr_assert(eq(int, r.code, 1), "%s", r.err);
    cr_assert(strstr(r.out, "regression  " FIGURE ": worse") && strstr(r.out, "last good good2"),
              "%s", r.out);
    cr_assert(ne(ptr, (void *)strstr(r.err, "1 regression"), NULL), "%s", r.err);
    json_t *json = program_json("n.json");
    const json_t *v = json_object_get(json_object_get(json, "judgements"), FIGURE);
    cr_assert(eq(str, (char *)json_string_value(json_object_get(v, "verdict")), "regression"));
    cr_assert(eq(str, (char *)json_string_value(json_object_get(v, "last_good_commit")), "good2"));
    cr_assert(lt(dbl, 1, json_number_value(json_object_get(v, "change"))), "from 1 MB to 9");
    char *page = test_read(test_path("p.html"));
    cr_assert(strstr(page, "1 regression") && strstr(page, "</svg>") && strstr(page, "</html>"));
    cr_assert(eq(ptr, (void *)strstr(page, "http"), NULL), "the page asks for nothing");
    cr_assert(eq(ptr, (void *)strstr(page, "<script"), NULL));
    free(page);
    /* It stands until it is accepted. */
    cr_assert(eq(int, program_run(NIGHT).code, 1));
    program_must("nightly --accept " FIGURE " --threads 1 --bind none --history h.jsonl");
    program_must(NIGHT);
    program_must_fail(2, "did not call this",
                      "nightly --accept " FIGURE " --threads 1 --bind none --history h.jsonl");
    json_decref(first), json_decref(json);
}

Test(cmd_nightly, what_a_page_quotes_is_escaped)
{
    program_must(NIGHT "--json n.json");
    json_t *first = program_json("n.json");
    test_write("h.jsonl", "");
    add_night(first, 1000, "<script>alert(1)</script>");
    cr_assert(eq(int, program_run(NIGHT "--page p.html").code, 1));
    char *page = test_read(test_path("p.html"));
    cr_assert(eq(ptr, (void *)strstr(page, "<script>"), NULL));
    cr_assert(ne(ptr, (void *)strstr(page, "&lt;script&gt;"), NULL));
    free(page), json_decref(first);
}

/* A terminal takes these for commands: as one byte, and as UTF-8 writes U+009B. */
Test(cmd_nightly, what_the_screen_quotes_commands_no_terminal)
{
    program_must(NIGHT "--json n.json");
    json_t *first = program_json("n.json");
    test_write("h.jsonl", "");
    add_night(first, 1000, "\x1b[2J\x7f\xC2\x9B");
    const program_result r = program_run(NIGHT);
    cr_assert(eq(int, r.code, 1), "a regression is called, and its last good commit quoted");
    cr_assert(ne(ptr, (void *)strstr(r.out, "last good ?[2J?"), NULL), "%s", r.out);
    cr_assert(eq(ptr, (void *)strpbrk(r.out, "\x1b\x7f"), NULL), "%s", r.out);
    cr_assert(eq(ptr, (void *)strstr(r.out, "\xC2\x9B"), NULL), "%s", r.out);
    json_decref(first);
}

Test(cmd_nightly, broken_lines_and_other_machines_are_reported_and_kept)
{
    test_write("h.jsonl", "{\"moda_nightly\": 1, \"type\": \"run\", \"run\": \"x\", \"class\": "
                          "\"a VAX\", \"figures\": {}}\nbroken\n");
    const program_result r = program_run("nightly --only " FIGURE " --rounds 1 --patience 0.1 "
                                         "--threads 1 --bind none --history h.jsonl");
    cr_assert(eq(int, r.code, 0), "%s", r.err);
    cr_assert(strstr(r.err, "line 2: broken") && strstr(r.err, "1 line of other machines"), "%s",
              r.err);
    char *text = test_read(test_path("h.jsonl"));
    cr_assert(strstr(text, "a VAX") && strstr(text, "\nbroken\n{"), "%s", text);
    free(text);
}

Test(cmd_nightly, lists_its_figures)
{
    const char *out = program_must("nightly --list --only step.lenet5,data").out;
    cr_assert(strstr(out, "step.lenet5.moda.f32 (calibrations, lower is better)") &&
                  strstr(out, FIGURE " (bytes") && strstr(out, "data.batch") &&
                  !strstr(out, "vgg16"),
              "%s", out);
}

/* One object for each line of the screen; resnet18 is in the long form alone. */
Test(cmd_nightly, lists_its_figures_as_json)
{
    size_t lines = 0, i, in_short = 0;
    const json_t *figure;
    const program_result r = program_must("nightly --list --long --json l.json");
    for (const char *c = r.out; *c; c++) lines += *c == '\n';
    json_t *json = program_json("l.json"), *figures = json_object_get(json, "figures");
    cr_assert(eq(sz, json_array_size(figures), lines));
    json_array_foreach(figures, i, figure)
    {
        const char *name = json_string_value(json_object_get(figure, "name"));
        const json_t *forms = json_object_get(figure, "forms");
        const size_t count = json_array_size(forms);
        char line[160];
        snprintf(line, sizeof line, "%s (%s, %s is better)\n", name,
                 json_string_value(json_object_get(figure, "unit")),
                 json_string_value(json_object_get(figure, "better")));
        cr_assert(ne(ptr, (void *)strstr(r.out, line), NULL), "%s", line);
        cr_assert(eq(str, (char *)json_string_value(json_array_get(forms, count - 1)), "long"));
        cr_assert(eq(sz, count, strstr(name, "resnet18") ? 1 : count), "%s", name);
        in_short += count == 2;
    }
    json_decref(json);
    program_must("nightly --list --json s.json");
    json = program_json("s.json");
    cr_assert(eq(sz, json_array_size(json_object_get(json, "figures")), in_short));
    cr_assert(lt(sz, in_short, lines), "the short form has less");
    json_decref(json);
}

Test(cmd_nightly, wrong_calls_say_what_to_do)
{
    test_write("binary", "\x7f"
                         "ELF\x01\x02");
    test_write("file", "x");
    program_must_fail(2, "--only 'nosuch'", "nightly --only data.batch,nosuch --history h.jsonl");
    program_must_fail(2, "--only ''", "nightly --only '' --history h.jsonl");
    program_must_fail(2, "--only 'step.lene'", "nightly --only step.lene --history h.jsonl");
    program_must_fail(1, "not a history", "nightly --only data --history binary");
    program_must_fail(1, "file/h", "nightly --only data --history file/h.jsonl");
    program_must_fail(1, "nosuch", "nightly --only data --history /proc/nosuch/h.jsonl");
    program_must_fail(2, "measures nothing", "nightly --accept all --list");
    program_must_fail(2, "leave --turn, --list, --only, --page and --json out",
                      "nightly --accept all --history h.jsonl --page p.html");
    program_must_fail(2, "leave --turn, --list, --only, --page and --json out",
                      "nightly --accept all --history h.jsonl --json n.json");
    program_must_fail(2, "leave --page out", "nightly --list --page p.html");
    cr_assert(program_lacks("p.html") && program_lacks("n.json"));
    program_must_fail(2, "did not call this", "nightly --accept nosuch --history h.jsonl");
    program_must_fail(2, "--turn nosuch", "nightly --turn nosuch");
    program_must_fail(2, "--turn learn.synthetic", "nightly --turn learn.synthetic");
    program_must_fail(2, "--rounds", "nightly --rounds 0");
    cr_assert(program_lacks("h.jsonl"));
}
