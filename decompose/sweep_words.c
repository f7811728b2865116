#include "decompose/sweep_words.h"
#include <stdlib.h>
#include <string.h>

static bool is_option(const char *word, const char *name)
{
    const size_t n = strlen(name);
    return strncmp(word, "--", 2) == 0 && strncmp(word + 2, name, n) == 0 &&
           (word[2 + n] == 0 || word[2 + n] == '=');
}

static const moda_option *find_option(const moda_option *table, const char *word)
{
    for (; table->kind != MODA_OPTION_END; table++) {
        const moda_option *found = table;
        if (table->kind == MODA_OPTION_TABLE)
            found = find_option(table->target, word);
        else if (!is_option(word, table->name))
            found = NULL;
        if (found) return found;
    }
    return NULL;
}

static bool is_one_of(const char *word, const char *const *names)
{
    for (; *names; names++)
        if (is_option(word, *names)) return true;
    return false;
}

bool moda_words_have(int argc, char **argv, const char *name)
{
    for (int i = 1; i < argc; i++)
        if (is_option(argv[i], name)) return true;
    return false;
}

const char *moda_words_value(const moda_words *words, const char *name)
{
    const char *value = NULL;
    for (size_t i = 0; i < words->n; i++) {
        if (!is_option(words->word[i], name)) continue;
        const char *equals = strchr(words->word[i], '=');
        value = equals ? equals + 1 : i + 1 < words->n ? words->word[i + 1] : NULL;
    }
    return value;
}

/* How many words behind words[i] belong to it: the value of an option, unless it has a '=' or takes
 * none. Of an option that is not known it is the next word, unless that is an option itself. */
static int values_of(const moda_option *known, int i, int argc, char **argv)
{
    if (strncmp(argv[i], "--", 2) != 0 || strcmp(argv[i], "--help") == 0) return 0;
    if (strchr(argv[i], '=') || i + 1 == argc) return 0;
    return known ? known->kind != MODA_OPTION_FLAG : strncmp(argv[i + 1], "--", 2) != 0;
}

moda_status moda_words_split(const moda_option *data, const moda_option *table, int *argc,
                             char **argv, moda_words *train, moda_words *decompose, char ***memory)
{
    static const char *const also_train[] = {"model",     "batch-size", "threads", "bind", "smt",
                                             "placement", "seed",       "quiet",   NULL};
    static const char *const also_decompose[] = {"min-active", "threads", "bind",  "smt",
                                                 "placement",  "seed",    "quiet", NULL};
    static const char *const only_decompose[] = {"activity", NULL};
    moda_status st = MODA_OK;
    int kept = 1;
    MODA_ALLOC(*memory, 2 * (size_t)*argc * sizeof **memory);
    train->word = *memory, decompose->word = *memory + *argc;
    for (int i = 1, next; i < *argc; i = next) {
        const char *word = argv[i];
        const moda_option *known = find_option(table, word);
        const bool help = strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
        const bool is_data = find_option(data, word) != NULL;
        const bool activity = is_one_of(word, only_decompose);
        const bool for_train = (!known && !help && !activity) || is_one_of(word, also_train);
        const bool for_decompose = activity || is_one_of(word, also_decompose);
        next = i + 1 + values_of(known, i, *argc, argv);
        for (int k = i; k < next; k++) {
            char *w = argv[k]; /* kept <= k: it is read before its place is written */
            if (is_data || for_train) train->word[train->n++] = w;
            if (is_data || for_decompose) decompose->word[decompose->n++] = w;
            if (known || help) argv[kept++] = w;
        }
    }
    *argc = kept;
    argv[kept] = NULL;
out:
    return st;
}
