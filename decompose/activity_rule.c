#include "decompose/activity_rule.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[] = {
    [MODA_ACTIVITY_ANY] = "any",
    [MODA_ACTIVITY_AREA] = "area",
    [MODA_ACTIVITY_MAGNITUDE] = "magnitude",
};

moda_status moda_activity_rule_parse(const char *text, moda_activity_rule *rule)
{
    moda_status st = MODA_OK;
    const size_t length = strcspn(text, ":"), count = sizeof names / sizeof *names;
    size_t k = 0;
    char *end = NULL;
    while (k < count && (strlen(names[k]) != length || strncmp(names[k], text, length) != 0)) k++;
    MODA_CHECK(k < count && (k == MODA_ACTIVITY_ANY) == (text[length] == 0), MODA_ERR_ARG,
               "activity rule '%s': it is any, area:X or magnitude:X", text);
    moda_activity_rule r = {(moda_activity_kind)k, 0};
    if (r.kind != MODA_ACTIVITY_ANY) {
        r.threshold = strtod(text + length + 1, &end);
        const bool number = end != text + length + 1 && *end == 0 && isfinite(r.threshold);
        MODA_CHECK(number && r.threshold > 0 && (k != MODA_ACTIVITY_AREA || r.threshold <= 1),
                   MODA_ERR_ARG, "activity rule '%s': the number must be above 0%s", text,
                   k == MODA_ACTIVITY_AREA ? " and at most 1" : "");
    }
    *rule = r;
out:
    return st;
}

void moda_activity_rule_print(moda_activity_rule rule, char text[MODA_ACTIVITY_TEXT])
{
    char number[32];
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(number, sizeof number, "%.*g", digits, rule.threshold);
        if (strtod(number, NULL) == rule.threshold) break;
    }
    if (rule.kind == MODA_ACTIVITY_ANY)
        snprintf(text, MODA_ACTIVITY_TEXT, "%s", names[rule.kind]);
    else
        snprintf(text, MODA_ACTIVITY_TEXT, "%s:%s", names[rule.kind], number);
}

bool moda_activity_rule_equal(moda_activity_rule a, moda_activity_rule b)
{
    return a.kind == b.kind && a.threshold == b.threshold;
}

moda_status moda_activity_rule_of_file(const moda_tensor_file *file, moda_activity_rule *rule)
{
    moda_status st = MODA_OK;
    const char *text = moda_tensor_file_metadata(file, "moda.activity");
    *rule = (moda_activity_rule){MODA_ACTIVITY_ANY, 0};
    if (text)
        MODA_CHECK(moda_activity_rule_parse(text, rule) == MODA_OK, MODA_ERR_FORMAT,
                   "%s: metadata moda.activity is '%.40s', not an activity rule: decompose again",
                   moda_tensor_file_path(file), text);
out:
    return st;
}

/* ---- flags ---- */

static void flags_by_magnitude(double threshold, moda_map_shape s, const float *x, float *means,
                               uint8_t *active)
{
    moda_channel_means(s, x, means);
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < s.n; i++) {
        const float *a = means + i * s.c;
        double sum = 0;
        for (size_t c = 0; c < s.c; c++) sum += (double)a[c];
        const double least = threshold * (sum / (double)s.c);
        for (size_t c = 0; c < s.c; c++) active[i * s.c + c] = a[c] > 0 && (double)a[c] >= least;
    }
}

/* Fewest values whose share of hw is at least X. Said by the comparison itself, not by a rounded
 * product alone. */
static size_t values_of_area(double threshold, size_t hw)
{
    size_t count = (size_t)floor(threshold * (double)hw);
    while (count > 0 && (double)(count - 1) / (double)hw >= threshold) count--;
    while ((double)count / (double)hw < threshold) count++;
    return count > 0 ? count : 1;
}

void moda_activity_flags_by(moda_activity_rule rule, moda_map_shape s, const float *x, float *means,
                            uint8_t *active)
{
    switch (rule.kind) {
    case MODA_ACTIVITY_ANY: moda_activity_flags(s, x, active); break;
    case MODA_ACTIVITY_AREA:
        moda_activity_area_flags(s, values_of_area(rule.threshold, s.hw), x, active);
        break;
    case MODA_ACTIVITY_MAGNITUDE: flags_by_magnitude(rule.threshold, s, x, means, active); break;
    }
}
