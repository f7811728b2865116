/* base/status.c - the message behind a failure, one per thread, in fixed buffers: running out of
 * memory must not hide why. */
#include "base/status.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MESSAGE_BYTES = 1024 };

static _Thread_local char message[MESSAGE_BYTES];
static _Thread_local char place[128];

/* A path or a file's content can hold anything; a message is one line that a terminal can show. */
void moda_make_one_line(char *text)
{
    for (unsigned char *c = (unsigned char *)text; *c; c++) {
        if (*c < ' ' || *c == 127) *c = '?';
        if (c[0] == 0xC2 && c[1] >= 0x80 && c[1] < 0xA0) c[0] = c[1] = '?';
    }
}

static void format_message(const char *format, va_list arguments)
{
    char text[MESSAGE_BYTES]; /* arguments may point into message */
    int length = vsnprintf(text, sizeof text, format, arguments);
    if (length < 0) strcpy(text, "(message could not be formatted)");
    if (length >= (int)sizeof text) strcpy(text + sizeof text - 4, "...");
    moda_make_one_line(text);
    memcpy(message, text, strlen(text) + 1);
}

moda_status moda_fail_at(const char *file, int line, moda_status code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    format_message(format, arguments);
    va_end(arguments);
    snprintf(place, sizeof place, "%s:%d", file, line);
    return code;
}

moda_status moda_fail_context(moda_status code, const char *format, ...)
{
    if (code == MODA_OK) return code;
    char old[MESSAGE_BYTES];
    memcpy(old, message, sizeof old);
    va_list arguments;
    va_start(arguments, format);
    format_message(format, arguments);
    va_end(arguments);
    size_t used = strlen(message);
    int rest = (int)(sizeof message - used) - 3; /* what does not fit is cut off */
    snprintf(message + used, sizeof message - used, ": %.*s", rest > 0 ? rest : 0, old);
    return code;
}

const char *moda_last_error(void)
{
    return message;
}

const char *moda_last_error_place(void)
{
    return place;
}

const char *moda_status_name(moda_status code)
{
    switch (code) {
    case MODA_OK: return "ok";
    case MODA_ERR_ARG: return "argument";
    case MODA_ERR_IO: return "i/o";
    case MODA_ERR_FORMAT: return "format";
    case MODA_ERR_NOMEM: return "memory";
    case MODA_ERR_NUMERIC: return "numeric";
    case MODA_ERR_UNSUPPORTED: return "unsupported";
    case MODA_ERR_INTERNAL: return "internal";
    case MODA_STOPPED: return "stopped";
    }
    return "unknown";
}
