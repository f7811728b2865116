/* bench/commands.h - the room's sub-commands, for moda.c's table. */
#ifndef MODA_BENCH_COMMANDS_H
#define MODA_BENCH_COMMANDS_H

#include "base/options.h"

extern const moda_command moda_command_report;
extern const moda_command moda_command_bench;
extern const moda_command moda_command_scale;      /* cmd_scale.c */
extern const moda_command moda_command_experiment; /* cmd_experiment.c */
extern const moda_command moda_command_nightly;    /* cmd_nightly.c */

#endif
