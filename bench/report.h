/* bench/report.h - the figures that runs left in their folders, side by side.
 *
 * A run is a folder with config.json and metrics.jsonl (moda train --out). Beside those, in it or in
 * folders below it, are looked for
 *     decomposition.json   moda decompose --out
 *     NAME.eval.json       moda eval --json: its accuracy
 *     NAME.compose.json    moda compose --json: its size */
#ifndef MODA_BENCH_REPORT_H
#define MODA_BENCH_REPORT_H

#include "base/json.h"
#include "base/status.h"

/* All runs at or below directory, in byte order of their paths, as
 * [{"run", "config", "epoch" (the last), "decomposition" (or null), "evaluations": [{"name", ...}], "compositions": [{"name", ...}]}].
 * A file or folder that cannot be read is reported in the log and left out. A file
 * belongs to the innermost run around it. Fails: MODA_ERR_IO (no such directory, no run in it),
 * MODA_ERR_NOMEM. New reference. */
MODA_MUST_USE moda_status moda_report_collect(const char *directory, json_t **runs);

/* A table on stdout: a column per run, a row per figure. */
void moda_report_print(const json_t *runs);

#endif
