/* tests/fuzz/fuzz_history.c - the history of moda nightly: any bytes as earlier nights, by which
 * tonight is judged, printed and added. The first byte says what was measured tonight. */
#include "bench/nightly.h"
#include "tests/fuzz/fuzz.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const moda_nightly_figure figures[] = {
    {.subject = moda_nightly_subjects,
     .key = "",
     .name = "a",
     .unit = "calibrations",
     .timed = true},
    {.subject = moda_nightly_subjects,
     .key = "b",
     .name = "b",
     .unit = "share",
     .higher = true,
     .tolerance = 0.01},
    {.subject = moda_nightly_subjects,
     .key = "c",
     .name = "c",
     .unit = "bytes",
     .tolerance = 0.1,
     .relative = true},
};
enum { FIGURES = sizeof figures / sizeof *figures };

static void measure(moda_nightly *n, unsigned what)
{
    static const double values[] = {1, 1.5, 0.5, 1e6};
    for (size_t i = 0; i < FIGURES; i++) {
        moda_nightly_result *r = &n->results[n->count++];
        const double value = what & 64 && i == 1 ? NAN : values[what % 4];
        *r = (moda_nightly_result){.figure = figures[i], .value = value};
        fuzz_must(
            moda_nightly_series_read(n->before.lines, r->figure.name, r->figure.timed, &r->series));
        moda_nightly_screen(r, FIGURES);
        r->confirmation_count = what & 32 && r->figure.timed ? MODA_NIGHTLY_CONFIRMATIONS : 0;
        for (size_t k = 0; k < r->confirmation_count; k++)
            r->confirmations[k] = values[what / 4 % 4];
    }
    for (int k = 0; k < 3; k++) fuzz_must(moda_timings_add(&n->calibration, 0.1));
    fuzz_must(moda_nightly_judge(n->results, n->count));
}

static void print(const moda_nightly *n)
{
    char page[256];
    fuzz_screen_begin();
    moda_nightly_print(n);
    fuzz_screen_end();
    snprintf(page, sizeof page, "%s/page.html", fuzz_folder());
    fuzz_must(moda_nightly_write_page(n, page));
}

/* Tonight becomes one more line, whatever the last one looked like. */
static void add(const moda_nightly *n)
{
    moda_nightly_history after;
    json_t *line = NULL, *json = NULL;
    fuzz_must(moda_nightly_json(n, &json));
    fuzz_must(moda_nightly_line(n, &line));
    fuzz_must(moda_nightly_history_append(n->history, line));
    fuzz_must(moda_nightly_history_read(n->history, n->machine_class, &after));
    fuzz_hold(json_array_size(after.lines) == json_array_size(n->before.lines) + 1,
              "tonight is one line more");
    fuzz_hold(after.others == n->before.others && after.broken == n->before.broken,
              "other lines stay what they were");
    moda_nightly_history_free(&after);
    json_decref(line);
    json_decref(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static moda_machine machine;
    moda_nightly_result results[FIGURES];
    size_t accepted;
    if (size == 0) return 0;
    if (!machine.kernels) moda_machine_describe(&machine);
    moda_nightly n = {
        .machine = machine, .machine_class = "here", .results = results, .run = "r", .date = "d"};
    n.history = fuzz_file("history.jsonl", data + 1, size - 1);
    const moda_status st = moda_nightly_history_read(n.history, n.machine_class, &n.before);
    fuzz_judge(st);
    if (st != MODA_OK) return 0;
    moda_nightly_history_report(&n.before, n.history);
    measure(&n, data[0]);
    print(&n);
    add(&n);
    fuzz_must(moda_nightly_accept(&n, "all", &accepted));
    for (size_t i = 0; i < n.count; i++) moda_nightly_result_free(&n.results[i]);
    moda_timings_free(&n.calibration);
    moda_nightly_history_free(&n.before);
    return 0;
}
