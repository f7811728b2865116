/* engine/tuning.h - which algorithm computes which pass of which convolution, as it was measured.
 *
 * A tuning is a list of choices, each under a key that holds what a pass costs time for. An executor
 * that is given one (engine/executor.h) does as it says; engine/tuner.h makes them, and
 * engine/tuning_cache.h keeps them in a file. docs/tuning.md. */
#ifndef MODA_ENGINE_TUNING_H
#define MODA_ENGINE_TUNING_H

#include "base/json.h"
#include "base/status.h"
#include "engine/net.h"
#include "engine/safetensors.h"
#include <stdbool.h>
#include <stddef.h>

typedef enum moda_conv_pass {
    MODA_CONV_FORWARD,
    MODA_CONV_BACKWARD_DATA,
    MODA_CONV_BACKWARD_WEIGHTS,
    MODA_CONV_PASSES
} moda_conv_pass;
const char *moda_conv_pass_name(
    moda_conv_pass pass); /* "forward", "backward_data", "backward_weights" */

typedef enum moda_algorithm {
    MODA_ALGORITHM_DIRECT,
    MODA_ALGORITHM_WINOGRAD, /* F(4x4,3x3): a quarter of the multiplications, rounds differently */
    MODA_ALGORITHM_NARROW,   /* our own for few channels: engine/narrow_conv.h */
    MODA_ALGORITHM_COUNT
} moda_algorithm;
const char *moda_algorithm_name(moda_algorithm algorithm); /* "direct", "winograd", "narrow" */

/* One pass of one convolution. */
typedef struct moda_tuning_key {
    moda_conv_pass pass;
    moda_dtype type; /* of the maps and weights that it is given */
    size_t n;        /* samples of a batch */
    size_t groups, ic, oc, ih, iw, kernel, stride, padding;
    bool bias;
} moda_tuning_key;

enum { MODA_IMPLEMENTATION_NAME = 48 }; /* bytes, with the closing zero */

/* How it is computed. */
typedef struct moda_choice {
    moda_algorithm algorithm;
    moda_dtype type;                               /* computed in: now always the key's */
    char implementation[MODA_IMPLEMENTATION_NAME]; /* oneDNN's name, "": its first one; NARROW: our
                                                    * instruction set, for tables */
} moda_choice;

typedef struct moda_tuning_entry {
    moda_tuning_key key;
    moda_choice choice;
    double seconds; /* fastest that it was seen */
} moda_tuning_entry;

typedef struct moda_tuning {
    moda_tuning_entry *entries; /* [count] */
    size_t count, capacity;
} moda_tuning;

void moda_tuning_free(moda_tuning *tuning); /* zeroed struct is fine */

/* The key of a layer, which is a CONV. */
moda_tuning_key moda_tuning_key_of(const moda_net *net, size_t layer, moda_conv_pass pass,
                                   moda_dtype type, size_t n);
bool moda_tuning_key_equal(const moda_tuning_key *a, const moda_tuning_key *b);

/* Whether engine/narrow_conv.h knows such convolutions, and has few enough channels (16) to be of use. */
bool moda_tuning_narrow(const moda_tuning_key *key);
/* What is taken where nothing has been measured: by shape and type. */
moda_algorithm moda_tuning_rule(const moda_tuning_key *key);

/* The entry of this very key, NULL if there is none. */
const moda_tuning_entry *moda_tuning_find(const moda_tuning *tuning, const moda_tuning_key *key);
/* The same, else the first entry that differs in n alone: the last smaller batch of an epoch, and the
 * test, do as full batches do. tuning may be NULL. */
const moda_tuning_entry *moda_tuning_nearest(const moda_tuning *tuning, const moda_tuning_key *key);
/* Adds an entry, or replaces the one of its key. Fails: MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_tuning_set(moda_tuning *tuning, const moda_tuning_entry *entry);

/* An entry as an object of the cache file, and back. New reference, NULL when out of memory; false if
 * the object is no entry. */
json_t *moda_tuning_entry_json(const moda_tuning_entry *entry);
bool moda_tuning_entry_parse(const json_t *json, moda_tuning_entry *entry);

/* The choices for a network's layers at batch size n, for config.json: [{"layer", "pass",
 * "algorithm", "type", "implementation", "seconds"}]; layers without a choice are left out. With AUTO
 * both types are there, and a layer has the one whose passes sum to less. New reference, NULL when out
 * of memory. */
json_t *moda_tuning_json(const moda_tuning *tuning, const moda_net *net, size_t n);

#endif
