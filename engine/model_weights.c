/* engine/model_weights.c - tensors of a file into a model's values: nothing missing, nothing extra,
 * every shape as the network says. Half and double precision become f32, so that weights travel. */
#include "engine/model_internal.h"
#include "engine/quote_internal.h"

#include <string.h>

/* ---- checking ---- */

static bool is_real(moda_dtype dtype)
{
    return dtype == MODA_DTYPE_F32 || dtype == MODA_DTYPE_F16 || dtype == MODA_DTYPE_BF16 ||
           dtype == MODA_DTYPE_F64;
}

static bool same_shape(const moda_tensor *t, const moda_parameter *p)
{
    bool same = t->rank == p->rank;
    for (size_t k = 0; same && k < p->rank; k++) same = t->shape[k] == p->shape[k];
    return same;
}

static moda_status check_parameter(const moda_parameter *p, const moda_tensor_file *file)
{
    moda_status st = MODA_OK;
    const moda_tensor *t = moda_tensor_file_find(file, p->name);
    MODA_CHECK(t, MODA_ERR_FORMAT,
               "%s: tensor '%s' is missing (expected F32 %s); is it the file for this network?",
               moda_tensor_file_path(file), MODA_QUOTE(p->name),
               MODA_QUOTE_SHAPE(p->rank, p->shape));
    MODA_CHECK(same_shape(t, p), MODA_ERR_FORMAT,
               "%s: tensor '%s' has shape %s, expected %s; check network, input size and classes",
               moda_tensor_file_path(file), MODA_QUOTE(p->name),
               MODA_QUOTE_SHAPE(t->rank, t->shape), MODA_QUOTE_SHAPE(p->rank, p->shape));
    MODA_CHECK(is_real(t->dtype), MODA_ERR_FORMAT,
               "%s: tensor '%s' is %s, expected F32 (or F16, BF16, F64); convert it",
               moda_tensor_file_path(file), MODA_QUOTE(p->name), moda_dtype_name(t->dtype));
out:
    return st;
}

/* PyTorch saves with every batch norm how often it was trained; nothing here needs the number. */
static bool is_batch_counter(const moda_net *net, const moda_tensor *t)
{
    static const char suffix[] = ".num_batches_tracked";
    const size_t n = strlen(t->name);
    if (n < sizeof suffix || strcmp(t->name + n - (sizeof suffix - 1), suffix) != 0) return false;
    const size_t prefix = n - (sizeof suffix - 1);
    for (size_t i = 1; i < net->layer_count; i++) {
        const moda_layer *l = &net->layers[i];
        if (l->kind == MODA_LAYER_BATCHNORM && strlen(l->name) == prefix &&
            memcmp(l->name, t->name, prefix) == 0)
            return t->dtype == MODA_DTYPE_I64 && t->bytes == sizeof(int64_t);
    }
    return false;
}

static bool is_parameter(const moda_parameter_list *parameters, const char *name)
{
    for (size_t i = 0; i < parameters->count; i++)
        if (strcmp(parameters->items[i].name, name) == 0) return true;
    return false;
}

moda_status moda_model_check_tensors(const moda_net *net, const moda_parameter_list *parameters,
                                     const moda_tensor_file *file)
{
    moda_status st = MODA_OK;
    for (size_t i = 0; i < parameters->count; i++)
        MODA_TRY(check_parameter(&parameters->items[i], file));
    const size_t count = moda_tensor_file_count(file);
    for (size_t i = 0; count != parameters->count && i < count; i++) {
        const moda_tensor *t = moda_tensor_file_at(file, i);
        MODA_CHECK(is_parameter(parameters, t->name) || is_batch_counter(net, t), MODA_ERR_FORMAT,
                   "%s: tensor '%s' %s belongs to no layer of network '%s'; is it the file for "
                   "this network?",
                   moda_tensor_file_path(file), MODA_QUOTE(t->name),
                   MODA_QUOTE_SHAPE(t->rank, t->shape), MODA_QUOTE(net->name));
    }
out:
    return st;
}

/* ---- converting ---- */

static float from_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static float from_half(uint16_t h)
{
    const uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31;
    const uint32_t fraction = h & 0x3FF;
    if (exponent == 31) return from_bits(sign | 0x7F800000 | fraction << 13); /* inf, NaN */
    if (exponent) return from_bits(sign | (exponent + 112) << 23 | fraction << 13);
    const float small = (float)fraction * 0x1p-24f; /* zero, subnormal */
    return sign ? -small : small;
}

/* data may be unaligned. */
static void convert(const moda_tensor *t, size_t n, float *values)
{
    const unsigned char *data = t->data;
    if (t->dtype == MODA_DTYPE_F32) {
        memcpy(values, data, n * sizeof *values);
        return;
    }
    for (size_t e = 0; e < n; e++) {
        uint16_t half;
        double wide;
        if (t->dtype == MODA_DTYPE_F64) {
            memcpy(&wide, data + e * sizeof wide, sizeof wide);
            values[e] = (float)wide;
        } else {
            memcpy(&half, data + e * sizeof half, sizeof half);
            values[e] =
                t->dtype == MODA_DTYPE_BF16 ? from_bits((uint32_t)half << 16) : from_half(half);
        }
    }
}

moda_status moda_model_read_weights(moda_model *model, const moda_tensor_file *file)
{
    moda_status st = MODA_OK;
    const moda_parameter_list *list = &model->parameters;
    MODA_TRY(moda_model_check_tensors(model->net, list, file));
    for (size_t i = 0; i < list->count; i++) {
        const moda_parameter *p = &list->items[i];
        convert(moda_tensor_file_find(file, p->name), p->elements, model->values + p->offset);
    }
out:
    return st;
}
