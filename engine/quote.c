/* engine/quote.c - names out of files inside one-line messages. */
#include "engine/quote_internal.h"

#include <stdio.h>
#include <string.h>

const char *moda_quote(const char *text, char *buffer)
{
    enum { ROOM = MODA_QUOTE_BYTES - 4 }; /* for "..." and the closing zero */
    size_t n = strnlen(text, ROOM + 1);
    const int cut = n > ROOM;
    if (cut) { /* never inside a UTF-8 sequence */
        n = ROOM;
        while (n > 0 && ((unsigned char)text[n] & 0xC0) == 0x80) n--;
    }
    memcpy(buffer, text, n);
    strcpy(buffer + n, cut ? "..." : "");
    return buffer;
}

const char *moda_quote_shape(size_t rank, const size_t *shape, char *buffer)
{
    size_t used = 0;
    buffer[used++] = '[';
    for (size_t i = 0; i < rank; i++) {
        char number[24];
        const int n = snprintf(number, sizeof number, "%s%zu", i ? "," : "", shape[i]);
        if (used + (size_t)n + 5 > MODA_QUOTE_BYTES) {
            strcpy(buffer + used, "...");
            used += 3;
            break;
        }
        memcpy(buffer + used, number, (size_t)n);
        used += (size_t)n;
    }
    strcpy(buffer + used, "]");
    return buffer;
}
