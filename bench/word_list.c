/* bench/word_list.c */
#include "bench/word_list_internal.h"
#include "engine/method.h"
#include <string.h>

static moda_status check_word(const char *option, const char *word, const char *const *allowed)
{
    moda_status st = MODA_OK;
    char all[128] = "";
    MODA_CHECK(*word, MODA_ERR_ARG, "--%s: an empty word; wanted is a list as a,b", option);
    for (size_t i = 0; allowed && allowed[i]; i++) {
        if (strcmp(word, allowed[i]) == 0) goto out;
        strncat(all, i ? ", " : "", sizeof all - strlen(all) - 1);
        strncat(all, allowed[i], sizeof all - strlen(all) - 1);
    }
    MODA_CHECK(!allowed, MODA_ERR_ARG, "--%s %s: must be of %s", option, word, all);
out:
    return st;
}

moda_status moda_word_list_split(const char *option, const char *text, const char *const *allowed,
                                 moda_word_list *w)
{
    moda_status st = MODA_OK;
    char *rest;
    MODA_CHECK((w->text = strdup(text)) != NULL, MODA_ERR_NOMEM, "out of memory");
    rest = w->text;
    while (rest) {
        const char *word = strsep(&rest, ",");
        MODA_TRY(check_word(option, word, allowed));
        MODA_CHECK(w->n < MODA_MOST_WORDS, MODA_ERR_ARG, "--%s: more than %d words", option,
                   MODA_MOST_WORDS);
        for (size_t i = 0; i < w->n; i++)
            MODA_CHECK(strcmp(w->word[i], word) != 0, MODA_ERR_ARG, "--%s: %s is given twice",
                       option, word);
        w->word[w->n++] = word;
    }
out:
    return st;
}

moda_status moda_word_list_check_networks(const moda_word_list *networks,
                                          const moda_word_list *methods)
{
    moda_status st = MODA_OK;
    for (size_t i = 0; i < networks->n * methods->n; i++) {
        moda_net *net;
        MODA_TRY(moda_method_net(moda_method_named(methods->word[i % methods->n]),
                                 networks->word[i / methods->n],
                                 (moda_net_defaults){{3, 32, 32}, 10}, &net));
        moda_net_destroy(net);
    }
out:
    return st;
}

bool moda_word_list_has(const moda_word_list *w, const char *word)
{
    for (size_t i = 0; i < w->n; i++)
        if (strcmp(w->word[i], word) == 0) return true;
    return false;
}

void moda_word_list_free(moda_word_list *w)
{
    free(w->text);
    *w = (moda_word_list){0};
}
