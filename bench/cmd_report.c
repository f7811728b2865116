/* bench/cmd_report.c - moda report: what runs left in their folders, as one table. */
#include "base/log.h"
#include "bench/commands.h"
#include "bench/report.h"

static moda_status run(const moda_command *self, int argc, char **argv)
{
    moda_status st = MODA_OK;
    moda_common_options common;
    moda_option common_table[MODA_COMMON_OPTION_COUNT];
    char **operands;
    size_t count;
    bool help = false;
    json_t *runs = NULL;
    moda_common_options_table(&common, common_table);
    const moda_option table[] = {
        {MODA_OPTION_TABLE, NULL, NULL, NULL, common_table, 0, 0, NULL},
        {MODA_OPTION_END, NULL, NULL, NULL, NULL, 0, 0, NULL},
    };
    MODA_TRY(moda_options_parse(self, table, argc, argv, 1, 1, &operands, &count, &help));
    if (help) goto out;
    MODA_TRY(moda_report_collect(operands[0], &runs));
    if (common.json) MODA_TRY(moda_json_write(common.json, runs));
    if (common.quiet) moda_log_set_level(MODA_LOG_WARNING);
    moda_report_print(runs);
out:
    json_decref(runs);
    return st;
}

const moda_command moda_command_report = {
    .name = "report",
    .summary = "the figures of training runs and decompositions side by side",
    .operands = "DIR",
    .example = "moda report runs",
    .run = run,
};
