/* base/log.c - one message, one write: lines of threads and of processes in a common log stay
 * whole. */
#include "base/log.h"
#include "base/log_internal.h"
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const level_names[] = {"error", "warning", "info", "debug"};
enum { LEVEL_COUNT = sizeof level_names / sizeof level_names[0], LINE_BYTES = 2048 };

#define WIPE "\r\033[K"

static atomic_int chosen_level = MODA_LOG_INFO;
static atomic_bool bar_shown;

/* The environment's level, -1 if it names none. Read each time: messages are rare, and a static
 * copy would need a lock. */
static int environment_level(void)
{
    const char *text = getenv("MODA_LOG");
    for (int i = 0; text && i < LEVEL_COUNT; i++)
        if (strcmp(text, level_names[i]) == 0) return i;
    return -1;
}

void moda_log_set_level(moda_log_level level)
{
    atomic_store(&chosen_level, (int)level);
}

moda_log_level moda_log_get_level(void)
{
    int level = environment_level();
    return (moda_log_level)(level >= 0 ? level : atomic_load(&chosen_level));
}

void moda_log_set_bar(bool shown)
{
    atomic_store(&bar_shown, shown);
}

void moda_log(moda_log_level level, const char *format, ...)
{
    if (level > moda_log_get_level()) return;
    char line[LINE_BYTES];
    /* Errors are the program's last word, and information is what it is: neither needs a label. */
    bool label = level == MODA_LOG_WARNING || level == MODA_LOG_DEBUG;
    int used = snprintf(line, sizeof line, "%smoda: %s%s", atomic_load(&bar_shown) ? WIPE : "",
                        label ? level_names[level] : "", label ? ": " : "");
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line + used, sizeof line - (size_t)used - 1, format, arguments);
    va_end(arguments);
    if (length < 0) return;
    size_t end = strlen(line);
    line[end] = '\n';
    fwrite(line, 1, end + 1, stderr);
    fflush(stderr);
}
