#include "decompose/class_tables.h"
#include "base/file.h"
#include "engine/net_masked.h"
#include <stdlib.h>
#include <string.h>

/* The layer of net whose channels table l is about: of a [mask], what it multiplies. */
static const moda_layer *table_layer(const moda_net *net, size_t l)
{
    return &net->layers[net->mask_count ? net->layers[net->masks[l]].input[0] : net->tracked[l]];
}

/* A module keeps channels of the layer, whoever reads it: so the [mask] must be the only one. */
static moda_status check_masked(const moda_net *net, size_t l)
{
    moda_status st = MODA_OK;
    const char *mask = net->layers[net->masks[l]].name;
    const size_t from = net->layers[net->masks[l]].input[0];
    const moda_layer *layer = &net->layers[from];
    MODA_CHECK(layer->kind != MODA_LAYER_INPUT && layer->kind != MODA_LAYER_MASK,
               MODA_ERR_UNSUPPORTED,
               "%s: [mask] '%s' multiplies '%s', %s: put it behind another layer", net->name, mask,
               layer->name, layer->kind == MODA_LAYER_MASK ? "a mask itself" : "the input");
    MODA_CHECK(
        moda_net_consumers(net, from) == 1, MODA_ERR_UNSUPPORTED,
        "%s: [mask] '%s' multiplies '%s', which other layers read as it is, so no channel of "
        "it can go: let them read the mask",
        net->name, mask, layer->name);
out:
    return st;
}

/* Numbers of the masked layers where the [mask]s are gone. */
static moda_status find_sites(const moda_net *net, size_t *site)
{
    moda_status st = MODA_OK;
    moda_net *plain = NULL;
    MODA_TRY(moda_net_strip_masks(net, &plain));
    for (size_t l = 0; l < net->mask_count; l++) {
        MODA_TRY(check_masked(net, l));
        const char *name = table_layer(net, l)->name;
        while (site[l] < plain->layer_count && strcmp(plain->layers[site[l]].name, name) != 0)
            site[l]++;
        MODA_CHECK(site[l] < plain->layer_count, MODA_ERR_INTERNAL,
                   "%s: without its masks it has no layer '%s'", net->name, name);
    }
out:
    moda_net_destroy(plain);
    return st;
}

moda_status moda_class_tables_shape(const moda_net *net, moda_class_tables *shape)
{
    moda_status st = MODA_OK;
    *shape = (moda_class_tables){.classes = net->classes,
                                 .mwt = net->mask_count > 0,
                                 .layers = net->mask_count ? net->mask_count : net->tracked_count};
    MODA_CHECK(shape->layers > 0, MODA_ERR_UNSUPPORTED,
               "%s has no ReLU, so no layer that masks could take apart", net->name);
    MODA_ALLOC(shape->site, shape->layers * sizeof *shape->site);
    MODA_ALLOC(shape->units, shape->layers * sizeof *shape->units);
    MODA_ALLOC(shape->offset, shape->layers * sizeof *shape->offset);
    if (shape->mwt)
        MODA_TRY(find_sites(net, shape->site));
    else
        memcpy(shape->site, net->tracked, shape->layers * sizeof *shape->site);
    for (size_t l = 0; l < shape->layers; l++) {
        shape->units[l] = table_layer(net, l)->shape.c;
        shape->offset[l] = shape->elements;
        shape->elements += shape->classes * shape->units[l];
    }
out:
    if (st != MODA_OK) moda_class_tables_free(shape);
    return st;
}

void moda_class_tables_free(moda_class_tables *shape)
{
    if (!shape) return;
    free(shape->site);
    free(shape->units);
    free(shape->offset);
    *shape = (moda_class_tables){0};
}

static const char *kind_name(const moda_class_tables *shape)
{
    return shape->mwt ? "masked" : "tracked";
}

static moda_status read_table(const moda_tensor_file *file, const char *name, const moda_net *net,
                              size_t l, const moda_class_tables *shape, moda_dtype dtype,
                              moda_dtype also, void *into)
{
    moda_status st = MODA_OK;
    const char *path = moda_tensor_file_path(file);
    const moda_tensor *t = moda_tensor_file_find(file, name);
    const char *layer = table_layer(net, l)->name, *kind = kind_name(shape);
    MODA_CHECK(t, MODA_ERR_FORMAT,
               "%s: no tensor '%s', which %s layer %zu ('%s') of %s needs: the file belongs "
               "to another network",
               path, name, kind, l, layer, net->name);
    MODA_CHECK(t->dtype == dtype || t->dtype == also, MODA_ERR_FORMAT, "%s: '%s' is %s, not %s",
               path, name, moda_dtype_name(t->dtype), moda_dtype_name(dtype));
    MODA_CHECK(t->rank == 2, MODA_ERR_FORMAT, "%s: '%s' has %zu dimensions, not [classes, units]",
               path, name, t->rank);
    MODA_CHECK(t->shape[0] == shape->classes && t->shape[1] == shape->units[l], MODA_ERR_FORMAT,
               "%s: '%s' is [%zu, %zu], but %s layer %zu ('%s') of %s has [%zu, %zu]: the "
               "file belongs to another network",
               path, name, t->shape[0], t->shape[1], kind, l, layer, net->name, shape->classes,
               shape->units[l]);
    if (into) memcpy(into, t->data, t->bytes);
out:
    return st;
}

moda_status moda_class_tables_read(const moda_tensor_file *file, const char *prefix,
                                   const moda_net *net, const moda_class_tables *shape,
                                   moda_dtype dtype, moda_dtype also, void *values)
{
    moda_status st = MODA_OK;
    char *name = NULL;
    for (size_t l = 0; l <= shape->layers; l++) {
        free(name);
        name = moda_format("%s.%zu", prefix, l);
        MODA_CHECK(name, MODA_ERR_NOMEM, "out of memory: a tensor's name");
        if (l < shape->layers)
            MODA_TRY(read_table(file, name, net, l, shape, dtype, also,
                                values ? (char *)values + shape->offset[l] * moda_dtype_size(dtype)
                                       : NULL));
    }
    MODA_CHECK(!moda_tensor_file_find(file, name), MODA_ERR_FORMAT,
               "%s: holds '%s', but %s has only %zu %s layers: the file belongs to another "
               "network",
               moda_tensor_file_path(file), name, net->name, shape->layers, kind_name(shape));
out:
    free(name);
    return st;
}

moda_status moda_class_tables_write(const char *path, const char *prefix,
                                    const moda_class_tables *shape, moda_dtype dtype,
                                    const void *values, const moda_metadata *metadata,
                                    size_t metadata_count)
{
    moda_status st = MODA_OK;
    size_t size = moda_dtype_size(dtype);
    moda_tensor *tensors = NULL;
    char **names = NULL;
    MODA_ALLOC(tensors, shape->layers * sizeof *tensors);
    MODA_ALLOC(names, shape->layers * sizeof *names);
    for (size_t l = 0; l < shape->layers; l++) {
        MODA_CHECK((names[l] = moda_format("%s.%zu", prefix, l)) != NULL, MODA_ERR_NOMEM,
                   "out of memory: a tensor's name");
        tensors[l] = (moda_tensor){.name = names[l],
                                   .dtype = dtype,
                                   .rank = 2,
                                   .shape = {shape->classes, shape->units[l]},
                                   .bytes = shape->classes * shape->units[l] * size,
                                   .data = (const char *)values + shape->offset[l] * size};
    }
    MODA_TRY(moda_tensor_file_write(path, tensors, shape->layers, metadata, metadata_count));
out:
    for (size_t l = 0; names && l < shape->layers; l++) free(names[l]);
    free(names);
    free(tensors);
    return st;
}
