/* engine/net_channels.c - the list of a [select] as text: "0-3 5 zero 7 4*zero". */
#include "engine/net_internal.h"
#include "engine/quote_internal.h"

#include <stdlib.h>
#include <string.h>

static const char zero[] = "zero";

/* One word of the list: `count` channels from `first` on, or `count` times zeros. */
typedef struct run {
    uint32_t first; /* MODA_SELECT_ZERO: zeros */
    size_t count;
} run;

/* Reads digits; false when there are none or the number is above max. */
static bool read_number(const char **at, size_t max, size_t *value)
{
    const char *start = *at;
    for (*value = 0; **at >= '0' && **at <= '9'; ++*at) {
        *value = 10 * *value + (size_t)(**at - '0');
        if (*value > max) return false;
    }
    return *at != start;
}

/* "7", "0-3", "zero" or "4*zero". */
static bool read_run(const char *word, run *r)
{
    const char *at = word;
    size_t first, last;
    if (strcmp(word, zero) == 0) {
        *r = (run){MODA_SELECT_ZERO, 1};
        return true;
    }
    if (!read_number(&at, NET_MAX_CHANNELS, &first)) return false;
    if (*at == '*') {
        *r = (run){MODA_SELECT_ZERO, first};
        return first > 0 && strcmp(at + 1, zero) == 0;
    }
    last = first;
    if (*at == '-' && (at++, !read_number(&at, NET_MAX_CHANNELS, &last))) return false;
    *r = (run){(uint32_t)first, last - first + 1};
    return *at == 0 && first <= last && last < NET_MAX_CHANNELS;
}

/* Appends a run; seen marks the channels that were named. */
static moda_status append(run r, uint32_t *channels, size_t *count, uint8_t *seen)
{
    moda_status st = MODA_OK;
    MODA_CHECK(*count + r.count <= NET_MAX_CHANNELS, MODA_ERR_FORMAT,
               "more than %d channels; select fewer", NET_MAX_CHANNELS);
    for (size_t i = 0; i < r.count; i++) {
        const uint32_t c = r.first == MODA_SELECT_ZERO ? r.first : r.first + (uint32_t)i;
        MODA_CHECK(c == MODA_SELECT_ZERO || !seen[c], MODA_ERR_FORMAT,
                   "channel %u twice; each can be selected once", c);
        if (c != MODA_SELECT_ZERO) seen[c] = 1;
        channels[(*count)++] = c;
    }
out:
    return st;
}

moda_status moda_net_read_channels(const char *text, uint32_t **channels, size_t *count)
{
    moda_status st = MODA_OK;
    char *copy = NULL, *rest = NULL;
    uint8_t *seen = NULL;
    uint32_t *list = NULL, *fitted = NULL;
    size_t n = 0;
    MODA_ALLOC(seen, NET_MAX_CHANNELS);
    MODA_ALLOC(list, NET_MAX_CHANNELS * sizeof *list);
    MODA_CHECK((copy = strdup(text)) != NULL, MODA_ERR_NOMEM, "out of memory");
    for (char *word = strtok_r(copy, " \t", &rest); word; word = strtok_r(NULL, " \t", &rest)) {
        run r;
        MODA_CHECK(read_run(word, &r), MODA_ERR_FORMAT,
                   "channels: '%s' is not one; give numbers, ranges and zeros, as in '0-3 5 zero 7 "
                   "4*zero'",
                   MODA_QUOTE(word));
        MODA_TRY(append(r, list, &n, seen));
    }
    MODA_ALLOC(fitted, n * sizeof *fitted);
    memcpy(fitted, list, n * sizeof *fitted);
    *channels = fitted, *count = n;
out:
    free(copy);
    free(seen);
    free(list);
    return st;
}

void moda_net_print_channels(FILE *f, const uint32_t *channels, size_t count)
{
    fprintf(f, "channels =");
    for (size_t i = 0, n; i < count; i += n) {
        const uint32_t c = channels[i];
        n = 1;
        while (i + n < count && channels[i + n] == (c == MODA_SELECT_ZERO ? c : c + (uint32_t)n))
            n++;
        if (c == MODA_SELECT_ZERO && n == 1)
            fprintf(f, " %s", zero);
        else if (c == MODA_SELECT_ZERO)
            fprintf(f, " %zu*%s", n, zero);
        else if (n == 1)
            fprintf(f, " %u", c);
        else
            fprintf(f, " %u-%zu", c, c + n - 1);
    }
    fprintf(f, "\n");
}
