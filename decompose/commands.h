/* decompose/commands.h - the room's sub-commands, for moda.c's table. */
#ifndef MODA_DECOMPOSE_COMMANDS_H
#define MODA_DECOMPOSE_COMMANDS_H

#include "base/options.h"

extern const moda_command moda_command_decompose;
extern const moda_command moda_command_compose;
extern const moda_command moda_command_reuse;
extern const moda_command moda_command_sweep;
extern const moda_command moda_command_replace;
extern const moda_command moda_command_add_class;
extern const moda_command moda_command_inspect;
extern const moda_command moda_command_ablate;

#endif
