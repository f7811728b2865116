/* engine/tuning.c - keys and choices: comparing, finding, and their JSON. */
#include "engine/tuning.h"
#include "engine/safetensors_internal.h"
#include <stdlib.h>
#include <string.h>

static const char *const passes[MODA_CONV_PASSES] = {"forward", "backward_data",
                                                     "backward_weights"};
static const char *const algorithms[MODA_ALGORITHM_COUNT] = {"direct", "winograd", "narrow"};

/* The sizes of a key, in one place for comparing, writing and reading. */
static const struct {
    const char *name;
    size_t offset;
} sizes[] = {{"n", offsetof(moda_tuning_key, n)},
             {"groups", offsetof(moda_tuning_key, groups)},
             {"ic", offsetof(moda_tuning_key, ic)},
             {"oc", offsetof(moda_tuning_key, oc)},
             {"ih", offsetof(moda_tuning_key, ih)},
             {"iw", offsetof(moda_tuning_key, iw)},
             {"kernel", offsetof(moda_tuning_key, kernel)},
             {"stride", offsetof(moda_tuning_key, stride)},
             {"padding", offsetof(moda_tuning_key, padding)}};
enum { SIZES = sizeof sizes / sizeof *sizes };

const char *moda_conv_pass_name(moda_conv_pass pass)
{
    return passes[pass];
}

const char *moda_algorithm_name(moda_algorithm algorithm)
{
    return algorithms[algorithm];
}

void moda_tuning_free(moda_tuning *t)
{
    if (!t) return;
    free(t->entries);
    *t = (moda_tuning){0};
}

moda_tuning_key moda_tuning_key_of(const moda_net *net, size_t layer, moda_conv_pass pass,
                                   moda_dtype type, size_t n)
{
    const moda_layer *l = &net->layers[layer];
    const moda_shape in = net->layers[l->input[0]].shape;
    return (moda_tuning_key){pass, type, n,         l->groups, in.c,       l->shape.c,
                             in.h, in.w, l->kernel, l->stride, l->padding, l->bias};
}

bool moda_tuning_narrow(const moda_tuning_key *k)
{
    return k->type == MODA_DTYPE_F32 && k->groups == 1 && k->stride == 1 &&
           (k->kernel == 3 || k->kernel == 5) && k->padding < k->kernel && k->ic <= 16 &&
           k->oc <= 16;
}

/* Where oneDNN's vectors of 16 channels would be half empty, or the gradient by the weights has none. */
static bool narrow_pays(const moda_tuning_key *k)
{
    static const size_t half = 8;
    if (!moda_tuning_narrow(k)) return false;
    return k->pass == MODA_CONV_FORWARD         ? k->oc <= half
           : k->pass == MODA_CONV_BACKWARD_DATA ? k->ic <= half
                                                : k->ic < 2 * half;
}

/* A quarter of the multiplications; on few channels or on maps smaller than a tile the transforms
 * cost more than they save. It rounds differently: 1e-6 to 3e-6 of the largest entry away from direct
 * on layers of VGG-16. */
moda_algorithm moda_tuning_rule(const moda_tuning_key *k)
{
    const size_t oh = k->ih + 2 * k->padding - k->kernel + 1,
                 ow = k->iw + 2 * k->padding - k->kernel + 1;
    const bool pays = k->type == MODA_DTYPE_F32 && k->kernel == 3 && k->stride == 1 &&
                      k->groups == 1 && k->ic >= 16 && k->oc >= 16 && oh >= 4 && ow >= 4;
    return pays             ? MODA_ALGORITHM_WINOGRAD
           : narrow_pays(k) ? MODA_ALGORITHM_NARROW
                            : MODA_ALGORITHM_DIRECT;
}

static size_t size_at(const moda_tuning_key *key, size_t i)
{
    return *(const size_t *)((const char *)key + sizes[i].offset);
}

bool moda_tuning_key_equal(const moda_tuning_key *a, const moda_tuning_key *b)
{
    bool equal = a->pass == b->pass && a->type == b->type && a->bias == b->bias;
    for (size_t i = 0; i < SIZES; i++) equal &= size_at(a, i) == size_at(b, i);
    return equal;
}

const moda_tuning_entry *moda_tuning_find(const moda_tuning *t, const moda_tuning_key *key)
{
    for (size_t i = 0; i < t->count; i++)
        if (moda_tuning_key_equal(&t->entries[i].key, key)) return &t->entries[i];
    return NULL;
}

const moda_tuning_entry *moda_tuning_nearest(const moda_tuning *t, const moda_tuning_key *key)
{
    const moda_tuning_entry *found = t ? moda_tuning_find(t, key) : NULL;
    for (size_t i = 0; t && !found && i < t->count; i++) {
        /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): i < count */
        moda_tuning_key other = t->entries[i].key;
        other.n = key->n;
        if (moda_tuning_key_equal(&other, key)) found = &t->entries[i];
    }
    return found;
}

moda_status moda_tuning_set(moda_tuning *t, const moda_tuning_entry *entry)
{
    moda_status st = MODA_OK;
    moda_tuning_entry *old = (moda_tuning_entry *)moda_tuning_find(t, &entry->key);
    if (old) {
        *old = *entry;
        goto out;
    }
    if (t->count == t->capacity) {
        const size_t capacity = t->capacity ? 2 * t->capacity : 64;
        moda_tuning_entry *grown = realloc(t->entries, capacity * sizeof *grown);
        MODA_CHECK(grown, MODA_ERR_NOMEM, "out of memory: %zu choices", capacity);
        t->entries = grown, t->capacity = capacity;
    }
    t->entries[t->count++] = *entry;
out:
    return st;
}

/* ---- JSON ---- */

/* Adds the choice's members; false when out of memory. */
static bool put_choice(json_t *object, const moda_choice *c)
{
    return json_object_set_new(object, "algorithm", json_string(algorithms[c->algorithm])) == 0 &&
           json_object_set_new(object, "type", json_string(moda_dtype_name(c->type))) == 0 &&
           json_object_set_new(object, "implementation", moda_json_text(c->implementation)) == 0;
}

json_t *moda_tuning_entry_json(const moda_tuning_entry *e)
{
    json_t *json = json_object();
    bool whole = json_object_set_new(json, "pass", json_string(passes[e->key.pass])) == 0;
    whole &= json_object_set_new(json, "data", json_string(moda_dtype_name(e->key.type))) == 0;
    for (size_t i = 0; i < SIZES; i++)
        whole &= json_object_set_new(json, sizes[i].name,
                                     json_integer((json_int_t)size_at(&e->key, i))) == 0;
    whole &= json_object_set_new(json, "bias", json_boolean(e->key.bias)) == 0;
    whole = whole && put_choice(json, &e->choice);
    whole &= json_object_set_new(json, "seconds", moda_json_number(e->seconds)) == 0;
    if (!whole) json_decref(json), json = NULL;
    return json;
}

static bool word(const json_t *json, const char *key, const char *const *words, int count, int *at)
{
    const char *text = json_string_value(json_object_get(json, key));
    for (*at = 0; text && *at < count; ++*at)
        if (strcmp(text, words[*at]) == 0) return true;
    return false;
}

static bool type(const json_t *json, const char *key, moda_dtype *dtype)
{
    const char *text = json_string_value(json_object_get(json, key));
    return text && moda_dtype_from_name(text, dtype);
}

bool moda_tuning_entry_parse(const json_t *json, moda_tuning_entry *e)
{
    int pass, algorithm;
    const json_t *bias = json_object_get(json, "bias"), *seconds = json_object_get(json, "seconds");
    const char *name = json_string_value(json_object_get(json, "implementation"));
    *e = (moda_tuning_entry){.seconds = json_number_value(seconds)};
    if (!word(json, "pass", passes, MODA_CONV_PASSES, &pass) ||
        !word(json, "algorithm", algorithms, MODA_ALGORITHM_COUNT, &algorithm) ||
        !type(json, "data", &e->key.type) || !type(json, "type", &e->choice.type) ||
        !json_is_boolean(bias) || !json_is_number(seconds) || !name ||
        strlen(name) >= sizeof e->choice.implementation)
        return false;
    e->key.pass = (moda_conv_pass)pass, e->choice.algorithm = (moda_algorithm)algorithm;
    e->key.bias = json_is_true(bias);
    strcpy(e->choice.implementation, name);
    for (size_t i = 0; i < SIZES; i++) {
        const json_t *size = json_object_get(json, sizes[i].name);
        if (!json_is_integer(size) || json_integer_value(size) < 0) return false;
        *(size_t *)((char *)&e->key + sizes[i].offset) = (size_t)json_integer_value(size);
    }
    return true;
}

/* Appends the choice under this key, if there is one; false when out of memory. */
static bool put_layer(json_t *list, const moda_tuning *t, const moda_tuning_key *key,
                      const char *layer)
{
    const moda_tuning_entry *e = moda_tuning_nearest(t, key);
    json_t *item = e ? json_object() : NULL;
    if (!e) return true;
    const bool whole = json_object_set_new(item, "layer", moda_json_text(layer)) == 0 &&
                       json_object_set_new(item, "pass", json_string(passes[key->pass])) == 0 &&
                       put_choice(item, &e->choice) &&
                       json_object_set_new(item, "seconds", moda_json_number(e->seconds)) == 0;
    return json_array_append_new(list, item) == 0 && whole;
}

json_t *moda_tuning_json(const moda_tuning *t, const moda_net *net, size_t n)
{
    static const moda_dtype types[] = {MODA_DTYPE_F32, MODA_DTYPE_BF16};
    json_t *list = json_array();
    bool whole = list != NULL;
    for (size_t i = 1; i < net->layer_count; i++)
        for (moda_conv_pass p = 0; net->layers[i].kind == MODA_LAYER_CONV && p < MODA_CONV_PASSES;
             p++)
            for (size_t k = 0; k < sizeof types / sizeof *types; k++) {
                const moda_tuning_key key = moda_tuning_key_of(net, i, p, types[k], n);
                whole = whole && put_layer(list, t, &key, net->layers[i].name);
            }
    if (!whole) json_decref(list), list = NULL;
    return list;
}
