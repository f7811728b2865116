/* engine/run_network.h - is a network still the one that a run was trained with? A description is a file
 * that its owner may edit between two calls, and the run's folder is named after neither. */
#ifndef MODA_ENGINE_RUN_NETWORK_H
#define MODA_ENGINE_RUN_NETWORK_H

#include "base/json.h"
#include "base/status.h"

/* Compares the network of a built-in name or a FILE.net with the description that a run's config.json
 * (borrowed; path is for messages) has. What the file leaves to the data is as it was in the run. A FILE.net that
 * is gone, and a configuration without a description, have nothing to compare and pass. Fails: MODA_ERR_ARG (the
 * networks differ: where first, and what to do), MODA_ERR_FORMAT (one of both is no description), MODA_ERR_IO,
 * MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_run_check_network(const json_t *config, const char *path,
                                                 const char *name_or_path);

#endif
