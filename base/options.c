/* base/options.c - one table drives parsing, checking and nothing else; the help text that is made
 * from the same table is in options_help.c, single values in options_value.c, output files in
 * options_output.c. */
#include "base/options.h"
#include "base/options_internal.h"
#include <getopt.h>
#include <limits.h>
#include <string.h>

enum { HELP = 256 /* above every character, so that no index + FIRST meets one */, FIRST };

size_t moda_options_flatten(const moda_option *table, const moda_option **all)
{
    size_t n = 0;
    for (; table->kind != MODA_OPTION_END; table++) {
        if (table->kind == MODA_OPTION_TABLE)
            n += moda_options_flatten(table->target, all ? all + n : NULL);
        else if (all)
            all[n++] = table;
        else
            n++;
    }
    return n;
}

/* getopt has seen something that is no option of this command, or one whose value is wrong. */
static moda_status complain(const moda_command *command, int answer, char **argv)
{
    moda_status st = MODA_OK;
    /* optopt 0 or not a table entry: a long option, which is the word just read. */
    const char *word = argv[optind - 1];
    MODA_CHECK(answer != ':', MODA_ERR_ARG, "%s needs a value", word);
    if (optopt >= FIRST) /* a known flag with "=value" */
        MODA_CHECK(false, MODA_ERR_ARG, "%s: this option takes no value", word);
    if (optopt > 0 && optopt < 128)
        MODA_CHECK(false, MODA_ERR_ARG, "unknown option '-%c'; see `moda %s --help`", optopt,
                   command->name);
    MODA_CHECK(false, MODA_ERR_ARG, "unknown option '%s'; see `moda %s --help`", word,
               command->name);
out:
    return st;
}

/* Reads the command line into the targets; values[i] is option i's text (flags: ""), NULL if it is
 * not there. */
static moda_status read_words(const moda_command *command, const moda_option **all, size_t n,
                              const struct option *known, int argc, char **argv,
                              const char **values, bool *help)
{
    moda_status st = MODA_OK;
    int answer;
    opterr = 0;
    optind = 0; /* GNU: start afresh */
    while ((answer = getopt_long(argc, argv, ":h", known, NULL)) != -1) {
        if (answer == HELP || answer == 'h') {
            *help = true;
            goto out;
        }
        if (answer == '?' || answer == ':') MODA_TRY(complain(command, answer, argv));
        size_t i = (size_t)(answer - FIRST);
        MODA_CHECK(i < n, MODA_ERR_INTERNAL, "option number %d", answer);
        MODA_CHECK(!values[i], MODA_ERR_ARG, "--%s is given twice", all[i]->name);
        values[i] = optarg ? optarg : "";
        MODA_TRY(moda_option_set(all[i], values[i]));
    }
out:
    return st;
}

static moda_status check_operands(const moda_command *command, size_t least, size_t most, size_t n,
                                  char **operands)
{
    moda_status st = MODA_OK;
    const char *wanted = command->operands ? command->operands : "";
    MODA_CHECK(n >= least, MODA_ERR_ARG, "an operand is missing, wanted: %s; see `moda %s --help`",
               wanted, command->name);
    MODA_CHECK(n <= most, MODA_ERR_ARG, "'%s' is one operand too many%s%s; see `moda %s --help`",
               operands[most], *wanted ? ", wanted: " : "", wanted, command->name);
out:
    return st;
}

moda_status moda_options_parse(const moda_command *command, const moda_option *table, int argc,
                               char **argv, size_t min_operands, size_t max_operands,
                               char ***operands, size_t *operand_count, bool *help_shown)
{
    moda_status st = MODA_OK;
    size_t n = moda_options_flatten(table, NULL);
    const moda_option **all = NULL;
    const char **values = NULL;
    struct option *known = NULL;
    *help_shown = false;
    MODA_ALLOC(all, n * sizeof *all);
    MODA_ALLOC(values, n * sizeof *values);
    MODA_ALLOC(known, (n + 2) * sizeof *known);
    moda_options_flatten(table, all);
    for (size_t i = 0; i < n; i++)
        known[i] = (struct option){
            all[i]->name, all[i]->kind == MODA_OPTION_FLAG ? no_argument : required_argument, NULL,
            FIRST + (int)i};
    known[n] = (struct option){"help", no_argument, NULL, HELP};
    MODA_TRY(read_words(command, all, n, known, argc, argv, values, help_shown));
    if (*help_shown) {
        moda_options_help(command, all, n);
        goto out;
    }
    *operands = argv + optind;
    *operand_count = (size_t)(argc - optind);
    MODA_TRY(check_operands(command, min_operands, max_operands, *operand_count, *operands));
    MODA_TRY(moda_options_check_outputs(all, n, values, *operands, *operand_count));
out:
    free(known);
    free(values);
    free(all);
    return st;
}
