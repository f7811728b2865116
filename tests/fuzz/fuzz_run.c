/* tests/fuzz/fuzz_run.c - JSON files of runs: config.json, metrics.jsonl and decomposition.json, one
 * behind the other with separators, as moda report collects them and the diagnosis of a
 * decomposition judges them. */
#include "base/json.h"
#include "bench/report.h"
#include "decompose/diagnosis.h"
#include "tests/fuzz/fuzz.h"
#include <stdio.h>

static void diagnose(void)
{
    moda_diagnosis *d = NULL;
    char model[256];
    snprintf(model, sizeof model, "%s/model.safetensors", fuzz_folder());
    fuzz_must(moda_diagnosis_create(&d));
    fuzz_judge(moda_diagnose_training(d, model, 10));
    json_t *json = moda_diagnosis_json(d);
    fuzz_hold(json != NULL, "a diagnosis is JSON");
    json_decref(json);
    moda_diagnosis_print(d, MODA_SIGNATURES_ALL);
    moda_diagnosis_destroy(d);
}

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
    fuzz_screen_begin();
    if (st == MODA_OK) moda_report_print(runs);
    diagnose();
    fuzz_screen_end();
    json_decref(runs);
    json_decref(config);
    return 0;
}
