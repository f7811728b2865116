/* base/log.h - leveled messages on stderr; results of commands go to stdout with printf.
 * A line reads "moda: warning: text". Lines of concurrent threads do not mix. */
#ifndef MODA_BASE_LOG_H
#define MODA_BASE_LOG_H

typedef enum moda_log_level {
    MODA_LOG_ERROR,
    MODA_LOG_WARNING,
    MODA_LOG_INFO,
    MODA_LOG_DEBUG
} moda_log_level;

/* Messages above this level are dropped. Starts at MODA_LOG_INFO; --quiet sets MODA_LOG_WARNING,
 * the environment variable MODA_LOG=error|warning|info|debug wins over both. */
void moda_log_set_level(moda_log_level level);
moda_log_level moda_log_get_level(void);

void moda_log(moda_log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
