/* tests/fuzz/fuzz_shapes.c - lists of convolutions and linear layers. A shape that parses is printed, and
 * what was printed parses to it. */
#include "bench/shapes.h"
#include "tests/fuzz/fuzz.h"
#include <string.h>

static void read(moda_layer_kind kind, const char *path)
{
    moda_problems list = {0};
    const moda_status st = moda_problems_read(kind, path, &list);
    fuzz_judge(st);
    for (size_t i = 0; st == MODA_OK && i < list.count; i++) {
        char text[MODA_PROBLEM_TEXT];
        moda_problem again;
        moda_net *net = NULL;
        fuzz_must(moda_problem_parse(kind, moda_problem_text(&list.items[i], text), &again));
        strcpy(again.name, list.items[i].name);
        fuzz_hold(memcmp(&again, &list.items[i], sizeof again) == 0, text);
        fuzz_judge(moda_problem_net(&again, true, &net));
        moda_net_destroy(net);
    }
    moda_problems_free(&list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *path = fuzz_file("shapes", data, size);
    read(MODA_LAYER_CONV, path);
    read(MODA_LAYER_LINEAR, path);
    return 0;
}
