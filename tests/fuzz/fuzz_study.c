/* tests/fuzz/fuzz_study.c - JSON in the folder of a study (moda experiment): any bytes as its
 * study.json, as a training's config.json, and as the figures of its steps, by their names, which
 * become a table. The first byte says which study. */
#include "bench/experiment_internal.h"
#include "tests/fuzz/fuzz.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STUDIES = 16 };

static moda_study_plan *plans[STUDIES];
static size_t count;

static void begin(void)
{
    static moda_experiment_options options[STUDIES];
    const char *const *list = moda_experiment_list();
    if (count) return;
    for (; list[2 * count] && count < STUDIES; count++) {
        options[count] = (moda_experiment_options){
            .study = list[2 * count],
            .directory = fuzz_folder(),
            .data = "synthetic:classes=4,channels=1,size=32,train=8,test=4",
            .models = "lenet5",
            .epochs = 1,
            .sample = 1};
        fuzz_must(moda_plan_create(&options[count], &plans[count]));
    }
}

static void show(const moda_study_plan *p)
{
    moda_study_table table = {p->study->columns, p->study->column_count, json_array()};
    char path[256];
    fuzz_must(p->study->collect(p, &table));
    fuzz_screen_begin();
    moda_study_print(&table);
    fuzz_screen_end();
    snprintf(path, sizeof path, "%s/table", fuzz_folder());
    fuzz_must(moda_study_write_csv(&table, path));
    fuzz_must(moda_study_write_markdown(&table, NULL, NULL, path));
    char *text = moda_json_line(table.rows);
    fuzz_hold(text != NULL, "rows are JSON");
    free(text);
    json_decref(table.rows);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *json = NULL;
    if (size == 0) return 0;
    begin();
    moda_study_plan *p = plans[data[0] % count];
    const char *path = fuzz_file("study.json", data + 1, size - 1), *key;
    fuzz_judge(moda_study_check(p));
    const moda_status st = moda_json_read(path, &json);
    fuzz_judge(st);
    if (st != MODA_OK) return 0;
    for (size_t i = 0; i < p->count; i++) {
        moda_study_item *item = &p->items[i];
        if (item->wish) moda_config_compare(item->wish, json, &key);
        item->figures = json_object_get(json, item->name); /* borrowed, for this input */
    }
    show(p);
    for (size_t i = 0; i < p->count; i++) p->items[i].figures = NULL;
    json_decref(json);
    return 0;
}
