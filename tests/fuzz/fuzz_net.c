/* tests/fuzz/fuzz_net.c - engine/net.h: any text as a description. One that parses is printed, and what
 * was printed parses to what prints the same. */
#include "engine/net.h"
#include "tests/fuzz/fuzz.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    moda_net *net = NULL, *again = NULL;
    char *printed = NULL, *printed_again = NULL;
    char *text = malloc(size + 1);
    fuzz_hold(text != NULL, "memory");
    memcpy(text, data, size);
    text[size] = 0;
    const moda_net_defaults defaults = {{3, 32, 32}, 10};
    const moda_status st = moda_net_parse(text, "text", defaults, &net);
    fuzz_judge(st);
    if (st == MODA_OK) {
        moda_parameter_list list = {0};
        fuzz_must(moda_net_print(net, &printed));
        fuzz_must(moda_net_parse(printed, "printed", (moda_net_defaults){{0, 0, 0}, 0}, &again));
        fuzz_must(moda_net_print(again, &printed_again));
        fuzz_hold(strcmp(printed, printed_again) == 0, "a printed network parses to itself");
        fuzz_judge(moda_net_parameters(net, &list));
        moda_parameter_list_free(&list);
        for (size_t l = 0; l < net->layer_count; l++) moda_layer_flops(net, l);
    }
    moda_net_destroy(again);
    moda_net_destroy(net);
    free(printed_again);
    free(printed);
    free(text);
    return 0;
}
