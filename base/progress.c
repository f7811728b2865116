/* base/progress.c - a redrawn bar on a terminal, sparse plain lines elsewhere. */
#include "base/progress.h"
#include "base/log.h"
#include "base/log_internal.h"
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

static const double terminal_interval = 0.1, plain_interval = 10, long_plain_interval = 60;
enum { BAR_CELLS = 24, LINE_BYTES = 512 };

double moda_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* A terminal that knows the wipe sequence. */
static int on_terminal(void)
{
    const char *term = getenv("TERM");
    return isatty(STDERR_FILENO) && term && *term && strcmp(term, "dumb") != 0;
}

static size_t terminal_columns(void)
{
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
    return 80;
}

static void format_time(double seconds, char text[32])
{
    if (!(seconds < 1e7)) { /* also NaN and infinity: nothing done yet */
        snprintf(text, 32, "?");
        return;
    }
    unsigned long s = (unsigned long)(seconds + 0.5);
    if (s >= 3600)
        snprintf(text, 32, "%lu:%02lu:%02lu", s / 3600, s / 60 % 60, s % 60);
    else
        snprintf(text, 32, "%lu:%02lu", s / 60, s % 60);
}

static void format_rate(const moda_progress *p, double elapsed, char text[64])
{
    double rate = elapsed > 0 ? (double)p->done / elapsed : 0;
    snprintf(text, 64, rate < 100 ? "%.1f %s/s" : "%.0f %s/s", rate, p->unit);
}

static double fraction(const moda_progress *p)
{
    if (p->total == 0) return 1;
    return p->done < p->total ? (double)p->done / (double)p->total : 1;
}

/* Seconds between plain lines. A run is many loops, its epochs say: what counts is when the first of
 * them began. */
static double plain_seconds(const moda_progress *p, double now)
{
    static double run_started;
    if (run_started == 0 || p->started < run_started) run_started = p->started;
    return now - run_started < 60 ? plain_interval : long_plain_interval;
}

static void draw_bar(moda_progress *p, double elapsed, const char *note)
{
    char bar[BAR_CELLS + 1], rate[64], left[32], line[LINE_BYTES];
    double part = fraction(p);
    size_t full = (size_t)(part * BAR_CELLS);
    for (size_t i = 0; i < BAR_CELLS; i++) bar[i] = i < full ? '#' : '.';
    bar[BAR_CELLS] = 0;
    format_rate(p, elapsed, rate);
    format_time(p->done ? elapsed * (1 - part) / part : 1e9, left);
    snprintf(line, sizeof line, "%s [%s] %3.0f%%  %s  %s left%s%s", p->label, bar, 100 * part, rate,
             left, note ? "  " : "", note ? note : "");
    /* A line that wraps cannot be redrawn in place. */
    size_t columns = terminal_columns();
    if (strlen(line) >= columns) line[columns > 1 ? columns - 1 : 0] = 0;
    fprintf(stderr, "\r\033[K%s", line);
    fflush(stderr);
    moda_log_set_bar(true);
}

/* stopped: the loop has ended before its total. */
static void print_line(moda_progress *p, double elapsed, bool stopped, const char *note)
{
    char rate[64], time[32];
    bool left = !stopped && p->done > 0 && p->done < p->total;
    format_rate(p, elapsed, rate);
    format_time(left ? elapsed * (1 / fraction(p) - 1) : elapsed, time);
    moda_log(MODA_LOG_INFO, "%s: %zu/%zu %s, %.0f%%, %s, %s%s %s%s%s", p->label, p->done, p->total,
             p->unit, 100 * fraction(p), rate, stopped ? "stopped, " : "", time,
             left ? "left" : "elapsed", note ? ", " : "", note ? note : "");
    p->said = true;
}

void moda_progress_begin(moda_progress *p, const char *label, const char *unit, size_t total)
{
    double now = moda_seconds();
    *p = (moda_progress){.label = label,
                         .unit = unit,
                         .total = total,
                         .started = now,
                         .drawn = now,
                         .terminal = on_terminal()};
}

void moda_progress_update(moda_progress *p, size_t done, const char *note)
{
    double now = moda_seconds();
    p->done = done;
    if (p->finished || moda_log_get_level() < MODA_LOG_INFO) return;
    /* The last update carries the note of the whole: whoever saw a line of the loop sees it. */
    bool last = done >= p->total && (p->terminal || p->said);
    double interval = p->terminal ? terminal_interval : plain_seconds(p, now);
    if (!last && now - p->drawn < interval) return;
    if (p->terminal)
        draw_bar(p, now - p->started, note);
    else
        print_line(p, now - p->started, false, note);
    p->drawn = now;
    p->finished = done >= p->total;
}

void moda_progress_end(moda_progress *p)
{
    if (moda_log_get_level() < MODA_LOG_INFO) return;
    if (p->terminal) {
        moda_log_set_bar(false);
        fputs("\r\033[K", stderr);
        fflush(stderr);
    } else if (p->said && !p->finished) {
        print_line(p, moda_seconds() - p->started, p->done < p->total, NULL);
        p->finished = true;
    }
}
