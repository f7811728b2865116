/* decompose/sweep_words.h - a command line of moda sweep that is in part one of moda train. */
#ifndef MODA_DECOMPOSE_SWEEP_WORDS_H
#define MODA_DECOMPOSE_SWEEP_WORDS_H

#include "base/options.h"
#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>

/* Words of a command line, borrowed. */
typedef struct moda_words {
    char **word;
    size_t n;
} moda_words;

/* Whether --name or --name=value is among the words. */
bool moda_words_have(int argc, char **argv, const char *name);

/* What follows the last --name, or stands behind its '='; NULL: it is not among them. Borrowed. */
const char *moda_words_value(const moda_words *words, const char *name);

/* What table knows stays in argv. What it does not know goes to train, which has to know it. Options of
 * data (a part of table) and those that all commands have, but --json, go to train and decompose as well,
 * each with its value. *memory holds both lists; the caller frees it. */
MODA_MUST_USE moda_status moda_words_split(const moda_option *data, const moda_option *table,
                                           int *argc, char **argv, moda_words *train,
                                           moda_words *decompose, char ***memory);

#endif
