/* engine/commands.h - the sub-commands of this room, for the table in moda.c. */
#ifndef MODA_ENGINE_COMMANDS_H
#define MODA_ENGINE_COMMANDS_H

#include "base/options.h"

extern const moda_command moda_command_describe; /* cmd_describe.c */
extern const moda_command moda_command_train;    /* cmd_train.c */
extern const moda_command moda_command_eval;     /* cmd_eval.c */
extern const moda_command moda_command_topo;     /* cmd_topo.c */

#endif
