#include "bench/results.h"
#include "base/file.h"

void moda_results_print(const moda_results *r)
{
    moda_session_print_machine();
    if (r->limits) {
        moda_limits_print(r->limits);
        printf("\n");
    }
    r->tables(r->bench);
    moda_session_print_drift(r->session);
}

moda_status moda_results_json(const moda_results *r, json_t **json)
{
    moda_status st = MODA_OK;
    json_t *rows = json_array(), *all = r->head(r->bench);
    MODA_CHECK(all, MODA_ERR_NOMEM, "out of memory");
    for (size_t i = 0; r->key && i < r->count; i++)
        MODA_CHECK(json_array_append_new(rows, r->row(r->bench, i)) == 0, MODA_ERR_NOMEM,
                   "out of memory");
    if (r->key)
        MODA_CHECK(json_object_set(all, r->key, rows) == 0, MODA_ERR_NOMEM, "out of memory");
    if (r->limits) MODA_TRY(moda_limits_json(r->limits, all));
    MODA_TRY(moda_session_json(r->session, all));
    *json = all, all = NULL;
out:
    json_decref(all);
    json_decref(rows);
    return st;
}

moda_status moda_results_write_csv(const moda_results *r, const char *path)
{
    moda_status st = MODA_OK;
    moda_writer w = {0};
    MODA_TRY(moda_writer_open(&w, path));
    r->csv_heads(r->bench, w.stream);
    fputc('\n', w.stream);
    for (size_t i = 0; i < r->count; i++) r->csv_row(r->bench, i, w.stream);
    MODA_TRY(moda_writer_commit(&w));
out:
    moda_writer_abort(&w);
    return st;
}
