/* tests/fuzz/fuzz_run.c - JSON files of runs: config.json, metrics.jsonl and decomposition.json, one behind
 * the other with separators, as moda report collects them. */
#include "base/json.h"
#include "bench/report.h"
#include "tests/fuzz/fuzz.h"
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *metrics, *decomposition;
    size_t metrics_bytes, decomposition_bytes;
    json_t *config = NULL, *runs = NULL;
    const size_t config_bytes = fuzz_part(data, size, &metrics, &metrics_bytes);
    metrics_bytes = fuzz_part(metrics, metrics_bytes, &decomposition, &decomposition_bytes);
    const char *path = fuzz_file("config.json", data, config_bytes);
    fuzz_file("metrics.jsonl", metrics, metrics_bytes);
    fuzz_file("decomposition.json", decomposition, decomposition_bytes);
    fuzz_judge(moda_json_read(path, &config));
    const moda_status st = moda_report_collect(fuzz_folder(), &runs);
    fuzz_judge(st);
    if (st == MODA_OK) moda_report_print(runs);
    json_decref(runs);
    json_decref(config);
    return 0;
}

/* The tables are of no interest here. */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    const int nowhere = open("/dev/null", O_WRONLY);
    if (nowhere >= 0) dup2(nowhere, STDOUT_FILENO);
    return 0;
}
