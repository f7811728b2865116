/* engine/onednn_choice.c - which of oneDNN's algorithms and implementations computes a pass of a
 * convolution. */
#include "engine/onednn_conv_internal.h"
#include <string.h>

dnnl_status_t moda_conv_operation(const moda_conv *c, moda_conv_pass pass, moda_algorithm algorithm,
                                  dnnl_convolution_desc_t *d)
{
    const dnnl_alg_kind_t kind =
        algorithm == MODA_ALGORITHM_WINOGRAD ? dnnl_convolution_winograd : dnnl_convolution_direct;
    const dnnl_memory_desc_t *bias = c->has_bias ? &c->bias : NULL;
    switch (pass) {
    case MODA_CONV_FORWARD: /* evaluation too: forward_inference would choose other weight layouts */
        return dnnl_convolution_forward_desc_init(d, dnnl_forward_training, kind, &c->src,
                                                  &c->weights, bias, &c->dst, c->stride,
                                                  c->padding_l, c->padding_r);
    case MODA_CONV_BACKWARD_DATA:
        return dnnl_convolution_backward_data_desc_init(d, kind, &c->src, &c->weights, &c->dst,
                                                        c->stride, c->padding_l, c->padding_r);
    case MODA_CONV_BACKWARD_WEIGHTS:
        return dnnl_convolution_backward_weights_desc_init(
            d, kind, &c->src, &c->d_weights, bias, &c->dst, c->stride, c->padding_l, c->padding_r);
    case MODA_CONV_PASSES: break;
    }
    return dnnl_invalid_arguments;
}

const char *moda_implementation_name(const_dnnl_primitive_desc_t desc)
{
    const char *name = NULL;
    dnnl_primitive_desc_query(desc, dnnl_query_impl_info_str, 0, (void *)&name);
    return name ? name : "";
}

moda_tuning_key moda_conv_key(const moda_executor *e, size_t layer, dnnl_data_type_t type,
                              moda_conv_pass pass)
{
    return moda_tuning_key_of(e->net, layer, pass,
                              type == dnnl_bf16 ? MODA_DTYPE_BF16 : MODA_DTYPE_F32,
                              e->options.batch);
}

moda_choice moda_conv_wanted(const moda_executor *e, const moda_tuning_key *key)
{
    const moda_tuning_entry *entry = moda_tuning_nearest(e->options.tuning, key);
    if (e->options.convolution == MODA_CONVOLUTION_DIRECT)
        return (moda_choice){.algorithm = MODA_ALGORITHM_DIRECT, .type = key->type};
    if (entry) return entry->choice;
    return (moda_choice){.algorithm = moda_tuning_rule(key), .type = key->type};
}

/* Attributes of a convolution that applies the ReLU behind it. */
static moda_status relu_attributes(const moda_executor *e, const char *name,
                                   dnnl_primitive_attr_t *attributes)
{
    moda_status st = MODA_OK;
    dnnl_post_ops_t after = NULL;
    MODA_DNNL(dnnl_primitive_attr_clone(attributes, e->weights->attributes), "ReLU", name);
    MODA_DNNL(dnnl_post_ops_create(&after), "ReLU", name);
    MODA_DNNL(dnnl_post_ops_append_eltwise(after, 1, dnnl_eltwise_relu, 0, 0), "ReLU", name);
    MODA_DNNL(dnnl_primitive_attr_set_post_ops(*attributes, after), "ReLU", name);
out:
    dnnl_post_ops_destroy(after);
    return st;
}

/* The implementation of that name, or the first one for ""; NULL if oneDNN has none. */
static dnnl_primitive_desc_t find(const moda_conv *c, moda_conv_pass pass,
                                  const moda_choice *choice, const_dnnl_primitive_attr_t attributes,
                                  dnnl_engine_t engine, const_dnnl_primitive_desc_t hint)
{
    dnnl_convolution_desc_t operation;
    dnnl_primitive_desc_iterator_t all = NULL;
    dnnl_primitive_desc_t desc = NULL;
    if (moda_conv_operation(c, pass, choice->algorithm, &operation) != dnnl_success ||
        dnnl_primitive_desc_iterator_create(&all, &operation, attributes, engine, hint) !=
            dnnl_success)
        return NULL;
    do {
        dnnl_primitive_desc_destroy(desc);
        desc = dnnl_primitive_desc_iterator_fetch(all);
        if (!*choice->implementation ||
            strcmp(moda_implementation_name(desc), choice->implementation) == 0)
            goto out;
    } while (dnnl_primitive_desc_iterator_next(all) == dnnl_success);
    dnnl_primitive_desc_destroy(desc);
    desc = NULL;
out:
    dnnl_primitive_desc_iterator_destroy(all);
    return desc;
}

moda_status moda_conv_choose(moda_executor *e, size_t layer, const moda_conv *c,
                             moda_conv_pass pass, const_dnnl_primitive_desc_t hint,
                             dnnl_primitive_desc_t *desc)
{
    moda_status st = MODA_OK;
    const dnnl_engine_t engine = e->weights->engine;
    const char *name = e->net->layers[layer].name;
    const moda_tuning_key key = moda_conv_key(e, layer, c->src.data_type, pass);
    const moda_choice choice = moda_conv_wanted(e, &key);
    dnnl_primitive_attr_t own = NULL, attributes = e->weights->attributes;
    dnnl_convolution_desc_t direct;
    if (pass == MODA_CONV_FORWARD && c->relu) {
        MODA_TRY(relu_attributes(e, name, &own));
        attributes = own;
    }
    /* One of our own algorithms has no primitive: direct is what stands in for it. */
    if (choice.algorithm != MODA_ALGORITHM_NARROW &&
        (*desc = find(c, pass, &choice, attributes, engine, hint)) != NULL)
        goto out;
    MODA_DNNL(moda_conv_operation(c, pass, MODA_ALGORITHM_DIRECT, &direct), "convolution", name);
    MODA_DNNL(dnnl_primitive_desc_create(desc, &direct, attributes, engine, hint), "convolution",
              name);
out:
    dnnl_primitive_attr_destroy(own);
    return st;
}
