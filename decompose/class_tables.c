#include "decompose/class_tables.h"
#include "base/file.h"
#include <stdlib.h>
#include <string.h>

moda_status moda_class_tables_shape(const moda_net *net, moda_class_tables *shape)
{
    moda_status st = MODA_OK;
    *shape = (moda_class_tables){.classes = net->classes, .layers = net->tracked_count};
    MODA_CHECK(net->tracked_count > 0, MODA_ERR_UNSUPPORTED,
               "%s has no ReLU, so no layer that masks could take apart", net->name);
    MODA_ALLOC(shape->units, shape->layers * sizeof *shape->units);
    MODA_ALLOC(shape->offset, shape->layers * sizeof *shape->offset);
    for (size_t l = 0; l < shape->layers; l++) {
        shape->units[l] = net->layers[net->tracked[l]].shape.c;
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
    free(shape->units);
    free(shape->offset);
    *shape = (moda_class_tables){0};
}

static moda_status read_table(const moda_tensor_file *file, const char *name, const moda_net *net,
                              size_t l, const moda_class_tables *shape, moda_dtype dtype,
                              moda_dtype also, void *into)
{
    moda_status st = MODA_OK;
    const char *path = moda_tensor_file_path(file);
    const moda_tensor *t = moda_tensor_file_find(file, name);
    const char *layer = net->layers[net->tracked[l]].name;
    MODA_CHECK(t, MODA_ERR_FORMAT,
               "%s: no tensor '%s', which tracked layer %zu ('%s') of %s needs: the file belongs "
               "to another network",
               path, name, l, layer, net->name);
    MODA_CHECK(t->dtype == dtype || t->dtype == also, MODA_ERR_FORMAT, "%s: '%s' is %s, not %s",
               path, name, moda_dtype_name(t->dtype), moda_dtype_name(dtype));
    MODA_CHECK(t->rank == 2, MODA_ERR_FORMAT, "%s: '%s' has %zu dimensions, not [classes, units]",
               path, name, t->rank);
    MODA_CHECK(t->shape[0] == shape->classes && t->shape[1] == shape->units[l], MODA_ERR_FORMAT,
               "%s: '%s' is [%zu, %zu], but tracked layer %zu ('%s') of %s has [%zu, %zu]: the "
               "file belongs to another network",
               path, name, t->shape[0], t->shape[1], l, layer, net->name, shape->classes,
               shape->units[l]);
    memcpy(into, t->data, t->bytes);
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
                                (char *)values + shape->offset[l] * moda_dtype_size(dtype)));
    }
    MODA_CHECK(!moda_tensor_file_find(file, name), MODA_ERR_FORMAT,
               "%s: holds '%s', but %s has only %zu tracked layers: the file belongs to another "
               "network",
               moda_tensor_file_path(file), name, net->name, shape->layers);
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
