/* base/log_internal.h - what the progress bar and the log must know of each other. */
#ifndef MODA_BASE_LOG_INTERNAL_H
#define MODA_BASE_LOG_INTERNAL_H

#include <stdbool.h>

/* A bar stands on the terminal's last line: a message wipes it first. */
void moda_log_set_bar(bool shown);

#endif
