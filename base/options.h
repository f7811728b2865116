/* base/options.h - a command's options as a table: parsing (getopt_long), checking, help text.
 *
 * A wrong option, a value out of range or a missing operand is MODA_ERR_ARG with one line that
 * names the option, the value and what is allowed. Messages do not name the command: moda.c does,
 * in front of whatever a command fails with. getopt keeps its state in globals: one thread at
 * a time parses. */
#ifndef MODA_BASE_OPTIONS_H
#define MODA_BASE_OPTIONS_H

#include "base/json.h"
#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum moda_option_kind {
    MODA_OPTION_END = 0, /* closes a table */
    MODA_OPTION_FLAG,    /* bool *target, set to true */
    MODA_OPTION_TEXT,    /* const char **target, points into argv */
    MODA_OPTION_OUTPUT,  /* the same, a file to be written later: must be writable now */
    MODA_OPTION_SIZE,    /* size_t *target, a whole number in [min,max], at most 2^63-1 */
    MODA_OPTION_REAL,    /* double *target, finite, in [min,max] */
    MODA_OPTION_CHOICE,  /* int *target := index of the word in choices */
    MODA_OPTION_SIZES,   /* moda_sizes *target: 0,3,5 (entries in [min,max]) */
    MODA_OPTION_TABLE    /* const moda_option *target: another table's options belong here too */
} moda_option_kind;

/* A list of whole numbers; the caller frees values. */
typedef struct moda_sizes {
    size_t *values;
    size_t n;
} moda_sizes;

typedef struct moda_option {
    moda_option_kind kind;
    const char *name;  /* "batch-size", without dashes */
    const char *value; /* placeholder in the help text: "N"; NULL for flags */
    const char *help;  /* one line, with the default */
    void *target;
    double min, max;            /* both 0: any (a SIZE then starts at 0); INFINITY: no upper end;
                                 * a REAL's min DBL_MIN reads "above 0" */
    const char *const *choices; /* NULL-terminated words of a CHOICE */
} moda_option;

/* What moda.c knows about a sub-command. */
typedef struct moda_command {
    const char *name;     /* "train" */
    const char *summary;  /* one line */
    const char *operands; /* "MODEL" or "" as the usage line shows them */
    const char *example;  /* one full command line */
    moda_status (*run)(const struct moda_command *self, int argc, char **argv);
} moda_command;

/* What every command accepts. */
typedef struct moda_common_options {
    const char *json;      /* --json FILE: the figures of the screen */
    size_t threads;        /* --threads N, 0: as many as this process may use */
    const char *bind;      /* --bind cores|none|LIST; NULL: not given */
    bool smt;              /* --smt */
    const char *placement; /* --placement sliced|interleaved|first-touch|node:N; NULL: not given */
    size_t seed;           /* --seed N */
    bool quiet;            /* --quiet */
} moda_common_options;
enum { MODA_COMMON_OPTION_COUNT = 8 }; /* with the closing entry */
/* Fills a table for MODA_OPTION_TABLE whose targets are in *common (which gets its defaults). */
void moda_common_options_table(moda_common_options *common,
                               moda_option table[MODA_COMMON_OPTION_COUNT]);

/* Parses argv[1..]. Options and operands may be mixed. *operands points into argv, which is
 * permuted. On --help the text goes to stdout and *help_shown is true: the caller returns MODA_OK.
 * An option given twice is an error. Fails: MODA_ERR_ARG; also when the number of operands is not
 * in [min_operands,max_operands], when two OUTPUTs are one file, or one is a file that an operand or a
 * TEXT names. MODA_ERR_IO: an OUTPUT cannot
 * be written (a folder that is still missing passes if it is, or is below, that of the option "out",
 * which commands create). */
MODA_MUST_USE moda_status moda_options_parse(const moda_command *command, const moda_option *table,
                                             int argc, char **argv, size_t min_operands,
                                             size_t max_operands, char ***operands,
                                             size_t *operand_count, bool *help_shown);

/* Sets targets to what an object has under their names with '_' for '-', before the command line
 * is parsed over them. What is null, false, empty or missing stays; so do OUTPUTs. Texts point
 * into values, which must outlive them. Fails: MODA_ERR_FORMAT (a value of another kind),
 * MODA_ERR_ARG (one that the option would not take), MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_options_preset(const moda_option *table, const json_t *values);

/* For commands that write files of their own below --out: whether path (an OUTPUT's value; NULL is
 * fine) would be one of them, whatever way it is written. names, closed by NULL, are relative to
 * directory and may be patterns: {"model.safetensors", "class-*.safetensors", NULL}. directory need
 * not be there yet. Fails: MODA_ERR_ARG (names option, path and directory), MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_check_distinct(const char *option, const char *path,
                                              const char *directory, const char *const *names);
/* The same for one file, whose name is no pattern. */
MODA_MUST_USE moda_status moda_check_apart(const char *option, const char *path, const char *own);

/* "0,3,5" -> values in the given order. Fails: MODA_ERR_ARG (empty entry, not a number). name is
 * for the message. */
MODA_MUST_USE moda_status moda_sizes_parse(const char *name, const char *text, moda_sizes *list);
/* Sorts ascending; a duplicate or an entry >= bound is MODA_ERR_ARG (name for the message). */
MODA_MUST_USE moda_status moda_sizes_sort_unique(const char *name, moda_sizes *list, size_t bound);

#endif
