/* bench/word_list_internal.h - a list of words on the command line, as in --method
 * standard,moda. */
#ifndef MODA_BENCH_WORD_LIST_INTERNAL_H
#define MODA_BENCH_WORD_LIST_INTERNAL_H

#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>

enum { MODA_MOST_WORDS = 32 };

typedef struct moda_word_list {
    char *text;
    const char *word[MODA_MOST_WORDS]; /* in text */
    size_t n;
} moda_word_list;

/* allowed: closed by NULL; NULL: any. Fails: MODA_ERR_ARG (an empty word, one twice, too many,
 * one that is not allowed), MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_word_list_split(const char *option, const char *text,
                                               const char *const *allowed, moda_word_list *words);
bool moda_word_list_has(const moda_word_list *words, const char *word);
/* Each network with each method of training. Fails: as moda_method_net(), of the first that is none. */
MODA_MUST_USE moda_status moda_word_list_check_networks(const moda_word_list *networks,
                                                        const moda_word_list *methods);
void moda_word_list_free(moda_word_list *words); /* zeroed struct is fine */

#endif
