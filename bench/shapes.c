/* bench/shapes.c - reading one shape. Keys are read one after the other into an array; what they mean together
 * is looked at afterwards. */
#include "bench/shapes.h"
#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { MOST = 65536, SAMPLES = 1 << 20 };

typedef enum key { G, MB, IC, IH, IW, OC, OH, OW, KH, KW, SH, SW, PH, PW, DH, DW, KEYS } key;
static const struct {
    const char *name;
    size_t least, most;
} keys[KEYS] = {[G] = {"g", 1, MOST},   [MB] = {"mb", 1, SAMPLES}, [IC] = {"ic", 1, MOST},
                [IH] = {"ih", 1, MOST}, [IW] = {"iw", 1, MOST},    [OC] = {"oc", 1, MOST},
                [OH] = {"oh", 1, MOST}, [OW] = {"ow", 1, MOST},    [KH] = {"kh", 1, 1024},
                [KW] = {"kw", 1, 1024}, [SH] = {"sh", 1, 1024},    [SW] = {"sw", 1, 1024},
                [PH] = {"ph", 0, 1023}, [PW] = {"pw", 0, 1023},    [DH] = {"dh", 0, 0},
                [DW] = {"dw", 0, 0}};

#define ABSENT SIZE_MAX

/* ---- words and numbers ---- */

static moda_status read_number(const char *what, const char **text, size_t least, size_t most,
                               size_t *value)
{
    moda_status st = MODA_OK;
    const char *digits = *text;
    size_t x = 0, n = 0;
    for (; isdigit((unsigned char)digits[n]); n++)
        x = x > MOST * (size_t)MOST ? x : 10 * x + (size_t)(digits[n] - '0');
    MODA_CHECK(n > 0, MODA_ERR_ARG, "a number is missing behind '%s'", what);
    MODA_CHECK(x >= least && x <= most, MODA_ERR_ARG,
               most == 0 ? "%s%zu: moda has no dilated convolutions, leave it out"
                         : "%s%zu: must be from %zu to %zu",
               what, x, least, most);
    *text += n, *value = x;
out:
    return st;
}

/* n"name", or nname, to the end. */
static moda_status read_name(const char *text, char name[MODA_PROBLEM_NAME])
{
    moda_status st = MODA_OK;
    size_t length = strlen(text);
    if (length >= 2 && text[0] == '"' && text[length - 1] == '"') text++, length -= 2;
    MODA_CHECK(length > 0 && length < MODA_PROBLEM_NAME && !memchr(text, '"', length), MODA_ERR_ARG,
               "the name behind 'n' must have 1 to %d characters and no quotes inside",
               MODA_PROBLEM_NAME - 1);
    memcpy(name, text, length);
    name[length] = 0;
out:
    return st;
}

static moda_status read_keys(const char *text, size_t values[KEYS], char name[MODA_PROBLEM_NAME])
{
    moda_status st = MODA_OK;
    const char *at = text;
    while (*at) {
        size_t k = 0;
        if (*at == '_') {
            at++;
            continue;
        }
        while (k < KEYS && strncmp(at, keys[k].name, strlen(keys[k].name)) != 0) k++;
        if (k == KEYS && *at == 'n') {
            MODA_TRY(read_name(at + 1, name));
            break;
        }
        MODA_CHECK(k < KEYS, MODA_ERR_ARG,
                   "'%.12s' is no part of a shape as in mb128ic64ih32oc64oh32kh3ph1n\"name\"", at);
        MODA_CHECK(values[k] == ABSENT, MODA_ERR_ARG, "'%s' is there twice", keys[k].name);
        at += strlen(keys[k].name);
        MODA_TRY(read_number(keys[k].name, &at, keys[k].least, keys[k].most, &values[k]));
    }
out:
    return st;
}

/* ---- what they mean together ---- */

static moda_status need(const size_t *v, const key *wanted, size_t n)
{
    moda_status st = MODA_OK;
    for (size_t i = 0; i < n; i++)
        MODA_CHECK(v[wanted[i]] != ABSENT, MODA_ERR_ARG, "'%s' is missing", keys[wanted[i]].name);
out:
    return st;
}

/* One direction is like the other where only one is given. */
static void pair_up(size_t *v, key a, key b)
{
    if (v[a] == ABSENT) v[a] = v[b];
    if (v[b] == ABSENT) v[b] = v[a];
}

static moda_status check_square(const size_t *v, key a, key b, const char *what)
{
    moda_status st = MODA_OK;
    MODA_CHECK(v[a] == v[b], MODA_ERR_ARG, "%s%zu%s%zu: moda's convolutions have %s", keys[a].name,
               v[a], keys[b].name, v[b], what);
out:
    return st;
}

/* The padding by which k steps of s over i pixels give o outputs; less than 0 is none. */
static size_t padding_for(size_t i, size_t o, size_t k, size_t s)
{
    const size_t covered = (o - 1) * s + k;
    return covered > i ? (covered - i + 1) / 2 : 0;
}

static moda_status check_output(const size_t *v, key in, key out, size_t *size)
{
    moda_status st = MODA_OK;
    const size_t whole = v[in] + 2 * v[PH];
    MODA_CHECK(v[KH] <= whole, MODA_ERR_ARG, "kh%zu is larger than %s%zu with padding %zu", v[KH],
               keys[in].name, v[in], v[PH]);
    *size = (whole - v[KH]) / v[SH] + 1;
    MODA_CHECK(v[out] == ABSENT || v[out] == *size, MODA_ERR_ARG,
               "%s%zu: kernel %zu, stride %zu and padding %zu over %zu pixels give %zu",
               keys[out].name, v[out], v[KH], v[SH], v[PH], v[in], *size);
out:
    return st;
}

static moda_status make_conv(size_t *v, moda_problem *p)
{
    moda_status st = MODA_OK;
    static const key wanted[] = {IC, IH, OC, KH};
    pair_up(v, IH, IW), pair_up(v, KH, KW), pair_up(v, SH, SW), pair_up(v, PH, PW);
    MODA_TRY(need(v, wanted, 4));
    if (v[G] == ABSENT) v[G] = 1;
    if (v[SH] == ABSENT) v[SH] = v[SW] = 1;
    MODA_TRY(check_square(v, KH, KW, "square kernels"));
    MODA_TRY(check_square(v, SH, SW, "one stride for both directions"));
    if (v[PH] == ABSENT && v[OH] != ABSENT) v[PH] = v[PW] = padding_for(v[IH], v[OH], v[KH], v[SH]);
    if (v[PH] == ABSENT) v[PH] = v[PW] = 0;
    MODA_TRY(check_square(v, PH, PW, "one padding for both directions"));
    MODA_CHECK(v[PH] < v[KH], MODA_ERR_ARG, "ph%zu: padding must be less than the kernel, %zu",
               v[PH], v[KH]);
    MODA_CHECK(v[IC] % v[G] == 0 && v[OC] % v[G] == 0, MODA_ERR_ARG,
               "g%zu does not divide ic%zu and oc%zu evenly", v[G], v[IC], v[OC]);
    MODA_TRY(check_output(v, IH, OH, &p->oh));
    MODA_TRY(check_output(v, IW, OW, &p->ow));
    p->groups = v[G], p->kernel = v[KH], p->stride = v[SH], p->padding = v[PH];
out:
    return st;
}

static moda_status make_linear(size_t *v, moda_problem *p)
{
    moda_status st = MODA_OK;
    static const key wanted[] = {IC, OC};
    for (key k = G; k < KEYS; k++)
        MODA_CHECK(v[k] == ABSENT || k == MB || k == IC || k == IH || k == IW || k == OC,
                   MODA_ERR_ARG, "'%s' is no part of a linear layer's shape, as in mb128ic512oc10",
                   keys[k].name);
    pair_up(v, IH, IW);
    MODA_TRY(need(v, wanted, 2));
    if (v[IH] == ABSENT) v[IH] = v[IW] = 1;
    p->groups = p->oh = p->ow = p->kernel = p->stride = 1, p->padding = 0;
out:
    return st;
}

/* 128x512:512x4096 */
static moda_status read_product(const char *text, size_t *v, char name[MODA_PROBLEM_NAME])
{
    moda_status st = MODA_OK;
    const char *at = text;
    size_t inner = 0;
    static const char between[] = "x:x";
    size_t *const targets[] = {&v[MB], &v[IC], &inner, &v[OC]};
    for (size_t i = 0; i < 4; i++) {
        MODA_TRY(read_number(i ? (const char[]){between[i - 1], 0} : "the beginning", &at, 1,
                             i ? MOST : SAMPLES, targets[i]));
        MODA_CHECK(i == 3 || *at == between[i], MODA_ERR_ARG,
                   "'%s' is no product of matrices as in 128x512:512x4096", text);
        at += i < 3;
    }
    MODA_CHECK(inner == v[IC], MODA_ERR_ARG, "%zu columns times %zu rows: they must be as many",
               v[IC], inner);
    while (*at == '_') at++;
    MODA_CHECK(*at == 0 || *at == 'n', MODA_ERR_ARG,
               "'%.12s' behind a product of matrices: only n\"name\" may follow", at);
    if (*at) MODA_TRY(read_name(at + 1, name));
out:
    return st;
}

moda_status moda_problem_parse(moda_layer_kind kind, const char *text, moda_problem *problem)
{
    moda_status st = MODA_OK;
    moda_problem p = {.kind = kind};
    size_t v[KEYS];
    for (size_t i = 0; i < KEYS; i++) v[i] = ABSENT;
    if (kind == MODA_LAYER_LINEAR && isdigit((unsigned char)*text))
        MODA_TRY(read_product(text, v, p.name));
    else
        MODA_TRY(read_keys(text, v, p.name));
    MODA_TRY(kind == MODA_LAYER_CONV ? make_conv(v, &p) : make_linear(v, &p));
    p.n = v[MB] == ABSENT ? 0 : v[MB];
    p.ic = v[IC], p.ih = v[IH], p.iw = v[IW], p.oc = v[OC];
    *problem = p;
out:
    return st;
}

/* ---- and back ---- */

/* "ih32", "ih32iw16" */
static void put(char *buffer, const char *h, const char *w, size_t x, size_t y)
{
    const size_t n = strlen(buffer);
    if (x == y)
        snprintf(buffer + n, MODA_PROBLEM_TEXT - n, "%s%zu", h, x);
    else
        snprintf(buffer + n, MODA_PROBLEM_TEXT - n, "%s%zu%s%zu", h, x, w, y);
}

char *moda_problem_text(const moda_problem *p, char *buffer)
{
    const bool conv = p->kind == MODA_LAYER_CONV;
    *buffer = 0;
    if (p->groups > 1) put(buffer, "g", "", p->groups, p->groups);
    if (p->n) put(buffer, "mb", "", p->n, p->n);
    put(buffer, "ic", "", p->ic, p->ic);
    if (conv || p->ih > 1 || p->iw > 1) put(buffer, "ih", "iw", p->ih, p->iw);
    put(buffer, "oc", "", p->oc, p->oc);
    if (!conv) return buffer;
    put(buffer, "oh", "ow", p->oh, p->ow);
    put(buffer, "kh", "", p->kernel, p->kernel);
    if (p->stride > 1) put(buffer, "sh", "", p->stride, p->stride);
    put(buffer, "ph", "", p->padding, p->padding);
    return buffer;
}
