/* engine/net_read.c - the text of a description (docs/networks.md) into a draft: lines, sections,
 * keys and their values. What one layer says about another is net_build.c's business. */
#include "engine/net_internal.h"
#include "engine/quote_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef enum value_type {
    VALUE_NAME,    /* char * */
    VALUE_SIZE,    /* size_t; a word of the table stands as 0 */
    VALUE_YESNO,   /* bool */
    VALUE_REAL,    /* double */
    VALUE_SHAPE,   /* moda_shape: C H W */
    VALUE_INIT,    /* moda_init */
    VALUE_FROM,    /* net_draft_layer.from */
    VALUE_CHANNELS /* moda_layer.channels */
} value_type;

/* One key: in which sections, what value, where it goes. */
typedef struct key_rule {
    const char *name;
    unsigned sections; /* bits of moda_layer_kind; [net] has the bit of MODA_LAYER_INPUT */
    unsigned required; /* the same, where it must be written */
    value_type type;
    double min, max;  /* VALUE_SIZE, VALUE_REAL */
    const char *word; /* VALUE_SIZE: allowed instead of a number */
    size_t offset;    /* in net_draft for [net], else in net_draft_layer */
} key_rule;

#define BIT(kind) (1u << MODA_LAYER_##kind)
#define NET       BIT(INPUT)
#define POOLS     (BIT(MAXPOOL) | BIT(AVGPOOL))
#define TENSORS   (BIT(CONV) | BIT(BATCHNORM) | BIT(LINEAR))
#define JOINS     (BIT(ADD) | BIT(MASK) | BIT(CONCAT))
#define DRAWN     (BIT(CONV) | BIT(LINEAR))
#define LAYERS    (TENSORS | POOLS | JOINS | BIT(RELU) | BIT(SELECT) | BIT(SOFTMAX))
#define IN_NET(f) offsetof(net_draft, f)
#define IN(f)     offsetof(net_draft_layer, f)

static const key_rule rules[] = {
    {"name", NET, 0, VALUE_NAME, 0, 0, NULL, IN_NET(name)},
    {"input", NET, 0, VALUE_SHAPE, 0, 0, NULL, IN_NET(input)},
    {"classes", NET, 0, VALUE_SIZE, 1, NET_MAX_CHANNELS, NULL, IN_NET(classes)},
    {"conv_init", NET, 0, VALUE_INIT, 0, 0, NULL, IN_NET(conv_init)},
    {"linear_init", NET, 0, VALUE_INIT, 0, 0, NULL, IN_NET(linear_init)},
    {"name", LAYERS, TENSORS, VALUE_NAME, 0, 0, NULL, IN(layer.name)},
    {"from", LAYERS, JOINS, VALUE_FROM, 0, 0, NULL, 0},
    {"outputs", DRAWN, DRAWN, VALUE_SIZE, 1, NET_MAX_CHANNELS, "classes", IN(layer.shape.c)},
    {"kernel", BIT(CONV), BIT(CONV), VALUE_SIZE, 1, NET_MAX_KERNEL, NULL, IN(layer.kernel)},
    {"kernel", POOLS, POOLS, VALUE_SIZE, 1, NET_MAX_KERNEL, "global", IN(layer.kernel)},
    {"stride", BIT(CONV) | POOLS, 0, VALUE_SIZE, 1, NET_MAX_KERNEL, NULL, IN(layer.stride)},
    {"padding", BIT(CONV) | POOLS, 0, VALUE_SIZE, 0, NET_MAX_KERNEL, NULL, IN(layer.padding)},
    {"groups", BIT(CONV), 0, VALUE_SIZE, 1, NET_MAX_CHANNELS, "depthwise", IN(layer.groups)},
    {"bias", DRAWN, 0, VALUE_YESNO, 0, 0, NULL, IN(layer.bias)},
    {"init", DRAWN, 0, VALUE_INIT, 0, 0, NULL, IN(layer.init)},
    {"bias_init", DRAWN, 0, VALUE_REAL, -1e6, 1e6, NULL, IN(layer.bias_init)},
    {"tracked", BIT(RELU), 0, VALUE_YESNO, 0, 0, NULL, IN(layer.tracked)},
    {"eps", BIT(BATCHNORM), 0, VALUE_REAL, 1e-30, 1, NULL, IN(layer.eps)},
    {"channels", BIT(SELECT), BIT(SELECT), VALUE_CHANNELS, 0, 0, NULL, 0},
    {"momentum", BIT(BATCHNORM), 0, VALUE_REAL, 0, 1, NULL, IN(layer.momentum)},
};
enum { RULE_COUNT = sizeof rules / sizeof rules[0] };

/* Where the reader is. */
typedef struct reader {
    net_draft *draft;
    size_t line;
    bool inside;             /* a section has begun */
    moda_layer_kind section; /* MODA_LAYER_INPUT: [net] */
    size_t section_line;
    uint32_t seen; /* bit i: rules[i] was written in this section */
} reader;

static const char *section_name(moda_layer_kind kind)
{
    return kind == MODA_LAYER_INPUT ? "net" : moda_layer_kind_name(kind);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* Cuts blanks at both ends, in place. */
static char *trim(char *s)
{
    while (is_blank(*s)) s++;
    char *end = s + strlen(s);
    while (end > s && is_blank(end[-1])) end--;
    *end = 0;
    return s;
}

/* ---- values ---- */

static moda_status read_name(const char *what, const char *text, char **name)
{
    moda_status st = MODA_OK;
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
    const size_t n = strlen(text);
    MODA_CHECK(n > 0 && strspn(text, allowed) == n, MODA_ERR_FORMAT,
               "%s '%s' is not a name; use letters, digits, '_', '.' and '-'", what,
               MODA_QUOTE(text));
    MODA_CHECK(n <= NET_MAX_NAME, MODA_ERR_FORMAT, "%s '%s' is too long; at most %d characters",
               what, MODA_QUOTE(text), NET_MAX_NAME);
    MODA_CHECK((*name = strdup(text)) != NULL, MODA_ERR_NOMEM, "out of memory");
out:
    return st;
}

/* Digits only: no sign, no blanks, nothing behind. */
static bool read_number(const char *text, double max, size_t *value)
{
    const size_t n = strlen(text);
    if (n == 0 || n > 18 || strspn(text, "0123456789") != n) return false;
    *value = (size_t)strtoull(text, NULL, 10);
    return (double)*value <= max;
}

static moda_status read_size(const key_rule *rule, const char *text, size_t *target)
{
    moda_status st = MODA_OK;
    size_t value = 0;
    if (rule->word && strcmp(text, rule->word) == 0) {
        *target = 0;
        goto out;
    }
    MODA_CHECK(read_number(text, rule->max, &value) && (double)value >= rule->min, MODA_ERR_FORMAT,
               "%s = '%s'; give a whole number from %.0f to %.0f%s%s", rule->name, MODA_QUOTE(text),
               rule->min, rule->max, rule->word ? " or the word " : "",
               rule->word ? rule->word : "");
    *target = value;
out:
    return st;
}

static moda_status read_real(const key_rule *rule, const char *text, double *target)
{
    moda_status st = MODA_OK;
    char *end = NULL;
    const double value = strtod(text, &end);
    MODA_CHECK(end != text && *end == 0 && isfinite(value) && value >= rule->min &&
                   value <= rule->max,
               MODA_ERR_FORMAT, "%s = '%s'; give a number from %g to %g", rule->name,
               MODA_QUOTE(text), rule->min, rule->max);
    *target = value;
out:
    return st;
}

static moda_status read_shape(const char *text, moda_shape *shape)
{
    moda_status st = MODA_OK;
    const double max[3] = {NET_MAX_CHANNELS, NET_MAX_SIDE, NET_MAX_SIDE};
    size_t value[3] = {0}, n = 0;
    char *copy = NULL, *rest = NULL;
    bool good = true;
    MODA_CHECK((copy = strdup(text)) != NULL, MODA_ERR_NOMEM, "out of memory");
    for (char *word = strtok_r(copy, " \t", &rest); word; word = strtok_r(NULL, " \t", &rest), n++)
        good = good && n < 3 && read_number(word, max[n], &value[n]) && value[n] > 0;
    MODA_CHECK(
        good && n == 3, MODA_ERR_FORMAT,
        "input = '%s'; give channels, height and width, as in 'input = 3 32 32' (at most %d)",
        MODA_QUOTE(text), NET_MAX_SIDE);
    *shape = (moda_shape){value[0], value[1], value[2]};
out:
    free(copy);
    return st;
}

static moda_status read_init(const char *key, const char *text, moda_init *target)
{
    moda_status st = MODA_OK;
    size_t i = 0;
    while (i < NET_INIT_COUNT && strcmp(text, moda_init_names[i]) != 0) i++;
    MODA_CHECK(i < NET_INIT_COUNT, MODA_ERR_FORMAT,
               "%s = '%s'; use kaiming_fan_out, kaiming_fan_in, normal or uniform_fan_in", key,
               MODA_QUOTE(text));
    *target = (moda_init)i;
out:
    return st;
}

static moda_status read_yesno(const char *key, const char *text, bool *target)
{
    moda_status st = MODA_OK;
    const bool yes = strcmp(text, "yes") == 0;
    MODA_CHECK(yes || strcmp(text, "no") == 0, MODA_ERR_FORMAT, "%s = '%s'; use yes or no", key,
               MODA_QUOTE(text));
    *target = yes;
out:
    return st;
}

/* "a, b" for an addition, a mask or a concatenation, one name for everything else. */
static moda_status read_from(reader *r, char *text, net_draft_layer *layer)
{
    moda_status st = MODA_OK;
    const bool two = moda_layer_inputs(&layer->layer) == 2;
    char *comma = strchr(text, ',');
    MODA_CHECK((comma != NULL) == two && (!two || !strchr(comma + 1, ',')), MODA_ERR_FORMAT,
               "from = '%s'; give %s", MODA_QUOTE(text),
               two ? "two names, as in 'from = a, b'" : "one layer's name");
    if (comma) *comma = 0;
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): keys stand below a layer's heading */
    layer->from_line = r->line;
    MODA_TRY(read_name("from", trim(text), &layer->from[0]));
    layer->from_count = 1;
    if (two) {
        /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): with two there is a comma */
        MODA_TRY(read_name("from", trim(comma + 1), &layer->from[1]));
        layer->from_count = 2;
        MODA_CHECK(strcmp(layer->from[0], layer->from[1]) != 0, MODA_ERR_FORMAT,
                   "from = '%s' twice; [%s] needs two different layers", MODA_QUOTE(layer->from[0]),
                   section_name(layer->layer.kind));
    }
out:
    return st;
}

/* ---- lines ---- */

static moda_status read_value(reader *r, const key_rule *rule, char *text)
{
    moda_status st = MODA_OK;
    net_draft_layer *layer = r->draft->count ? &r->draft->layers[r->draft->count - 1] : NULL;
    char *base = r->section == MODA_LAYER_INPUT ? (char *)r->draft : (char *)layer;
    void *target = base + rule->offset;
    if (rule->type == VALUE_SHAPE) r->draft->input_line = r->line;
    switch (rule->type) {
    case VALUE_NAME: MODA_TRY(read_name(rule->name, text, target)); break;
    case VALUE_SIZE: MODA_TRY(read_size(rule, text, target)); break;
    case VALUE_YESNO: MODA_TRY(read_yesno(rule->name, text, target)); break;
    case VALUE_REAL: MODA_TRY(read_real(rule, text, target)); break;
    case VALUE_SHAPE: MODA_TRY(read_shape(text, target)); break;
    case VALUE_INIT: MODA_TRY(read_init(rule->name, text, target)); break;
    case VALUE_FROM: MODA_TRY(read_from(r, text, layer)); break;
    case VALUE_CHANNELS:
        MODA_TRY(moda_net_read_channels(text, &layer->layer.channels, &layer->layer.shape.c));
        break;
    }
out:
    return st;
}

static moda_status read_key(reader *r, char *line)
{
    moda_status st = MODA_OK;
    size_t i = 0;
    char *equals = strchr(line, '=');
    MODA_CHECK(equals, MODA_ERR_FORMAT, "'%s' is neither '[section]' nor 'key = value'",
               MODA_QUOTE(line));
    MODA_CHECK(r->inside, MODA_ERR_FORMAT, "a key before the first section; begin with [net]");
    *equals = 0;
    char *key = trim(line), *value = trim(equals + 1);
    while (i < RULE_COUNT &&
           !((rules[i].sections >> r->section & 1) && strcmp(rules[i].name, key) == 0))
        i++;
    MODA_CHECK(i < RULE_COUNT, MODA_ERR_FORMAT,
               "[%s] has no key '%s'; docs/networks.md lists the keys of each section",
               section_name(r->section), MODA_QUOTE(key));
    MODA_CHECK(!(r->seen >> i & 1), MODA_ERR_FORMAT, "key '%s' twice in [%s]; keep one", key,
               section_name(r->section));
    MODA_CHECK(*value, MODA_ERR_FORMAT, "key '%s' has no value; write 'key = value'", key);
    r->seen |= (uint32_t)1 << i;
    MODA_TRY(read_value(r, &rules[i], value));
out:
    return st;
}

/* A section ends: are all keys there? Reports at the line of its head. */
static moda_status end_section(reader *r)
{
    moda_status st = MODA_OK;
    if (!r->inside) goto out;
    for (size_t i = 0; i < RULE_COUNT; i++)
        if ((rules[i].required >> r->section & 1) && !(r->seen >> i & 1)) {
            r->line = r->section_line;
            MODA_CHECK(false, MODA_ERR_FORMAT, "[%s] lacks the key '%s'; add '%s = ...'",
                       section_name(r->section), rules[i].name, rules[i].name);
        }
    if (r->section != MODA_LAYER_INPUT) {
        moda_layer *l = &r->draft->layers[r->draft->count - 1].layer;
        if (l->stride == 0) l->stride = l->kernel; /* pools; 0 again for a global one */
    }
out:
    return st;
}

static moda_status add_layer(reader *r, moda_layer_kind kind)
{
    moda_status st = MODA_OK;
    net_draft *d = r->draft;
    MODA_CHECK(d->count < NET_MAX_LAYERS, MODA_ERR_FORMAT, "more than %d layers; make it smaller",
               NET_MAX_LAYERS);
    if (d->count == d->capacity) {
        const size_t capacity = d->capacity ? 2 * d->capacity : 64;
        net_draft_layer *grown = reallocarray(d->layers, capacity, sizeof *grown);
        MODA_CHECK(grown, MODA_ERR_NOMEM, "out of memory: %zu layers", capacity);
        d->layers = grown, d->capacity = capacity;
    }
    const bool conv = kind == MODA_LAYER_CONV, batchnorm = kind == MODA_LAYER_BATCHNORM;
    d->layers[d->count++] = (net_draft_layer){
        .layer = {.kind = kind,
                  .line = r->line,
                  .stride = conv,
                  .groups = conv,
                  .bias = conv || kind == MODA_LAYER_LINEAR,
                  .tracked = kind == MODA_LAYER_RELU,
                  .init = conv ? d->conv_init : d->linear_init,
                  .bias_init = NAN,
                  .eps = batchnorm ? 1e-5 : 0,
                  .momentum = batchnorm ? 0.1 : 0},
        .from_line = r->line,
    };
out:
    return st;
}

static moda_status begin_section(reader *r, char *line)
{
    moda_status st = MODA_OK;
    const size_t here = r->line, n = strlen(line);
    unsigned kind = 0;
    MODA_TRY(end_section(r));
    MODA_CHECK(line[n - 1] == ']', MODA_ERR_FORMAT, "'%s' does not end in ']'; write '[conv]'",
               MODA_QUOTE(line));
    line[n - 1] = 0;
    char *name = trim(line + 1);
    while (kind < NET_KIND_COUNT && strcmp(name, section_name((moda_layer_kind)kind)) != 0) kind++;
    MODA_CHECK(
        kind < NET_KIND_COUNT, MODA_ERR_FORMAT,
        "unknown section [%s]; use net, conv, batchnorm, relu, maxpool, avgpool, linear, add, "
        "select, mask, concat or softmax",
        MODA_QUOTE(name));
    MODA_CHECK(r->inside || kind == MODA_LAYER_INPUT, MODA_ERR_FORMAT,
               "the first section is [%s]; begin with [net]", section_name((moda_layer_kind)kind));
    MODA_CHECK(!r->inside || kind != MODA_LAYER_INPUT, MODA_ERR_FORMAT,
               "[net] twice; keep the first");
    r->inside = true, r->section = (moda_layer_kind)kind, r->section_line = here, r->seen = 0;
    if (kind == MODA_LAYER_INPUT)
        r->draft->line = r->draft->input_line = here;
    else
        MODA_TRY(add_layer(r, r->section));
out:
    return st;
}

moda_status moda_net_draft_read(const char *text, const char *source, net_draft *draft)
{
    moda_status st = MODA_OK;
    char *copy = NULL, *next = NULL;
    reader r = {.draft = draft};
    *draft = (net_draft){.conv_init = MODA_INIT_KAIMING_FAN_OUT, .linear_init = MODA_INIT_NORMAL};
    MODA_CHECK((copy = strdup(text)) != NULL, MODA_ERR_NOMEM, "out of memory");
    next = copy;
    while (next) {
        char *start = strsep(&next, "\n");
        r.line++;
        start[strcspn(start, "#")] = 0;
        char *line = trim(start);
        if (*line == '[')
            MODA_TRY(begin_section(&r, line));
        else if (*line)
            MODA_TRY(read_key(&r, line));
    }
    MODA_TRY(end_section(&r));
    MODA_CHECK(r.inside, MODA_ERR_FORMAT, "no section at all; begin with [net]");
    MODA_CHECK(draft->count > 0, MODA_ERR_FORMAT, "no layer; add one, [linear] say");
out:
    free(copy);
    return moda_fail_context(st, "%s:%zu", source, r.line);
}

void moda_net_draft_free(net_draft *draft)
{
    for (size_t i = 0; i < draft->count; i++) {
        free(draft->layers[i].layer.name);
        free(draft->layers[i].layer.channels);
        free(draft->layers[i].from[0]);
        free(draft->layers[i].from[1]);
    }
    free(draft->layers);
    free(draft->name);
    *draft = (net_draft){0};
}
