/* decompose/class_tables.h - one table per layer whose channels are masked, [classes, units], as
 * rates and masks files hold them: tensors PREFIX.0 .. PREFIX.L-1.
 *
 * These layers are the tracked ReLUs. A network with [mask] layers (MwT) has masks of its own:
 * there they are the layers that the [mask]s multiply. Modules have no [mask] any more, so the
 * layers are numbered as in the network without (moda_net_strip_masks()), which is what modules
 * are cut from. */
#ifndef MODA_DECOMPOSE_CLASS_TABLES_H
#define MODA_DECOMPOSE_CLASS_TABLES_H

#include "base/status.h"
#include "decompose/kept.h"
#include "engine/net.h"
#include "engine/safetensors.h"
#include <stddef.h>

/* Shapes of all tables of a network. */
typedef struct moda_class_tables {
    size_t classes, layers;
    bool mwt;        /* of [mask] layers */
    size_t *site;    /* [layers] which layer of the network, of MwT without its [mask]s */
    size_t *units;   /* [layers] */
    size_t *offset;  /* [layers] elements before table l, all tables standing in one array */
    size_t elements; /* of all tables */
} moda_class_tables;

/* Fails: MODA_ERR_UNSUPPORTED (neither ReLU nor [mask]; a [mask] beside which others read the same
 * layer, or of the network's input or another [mask]), MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_class_tables_shape(const moda_net *net, moda_class_tables *shape);
void moda_class_tables_free(moda_class_tables *shape);

static inline moda_sites moda_class_tables_sites(const moda_class_tables *shape)
{
    return (moda_sites){shape->layers, shape->site};
}
/* The layer of the network that table l is called after: the tracked ReLU, or the [mask]. */
static inline const char *moda_class_tables_name(const moda_net *net, size_t l)
{
    return net->layers[net->mask_count ? net->masks[l] : net->tracked[l]].name;
}
/* Channels and features of all tables' layers. */
static inline size_t moda_class_tables_units(const moda_class_tables *shape)
{
    return shape->elements / shape->classes;
}

/* Copies every table out of the file into values (element_size bytes per element; NULL: only checks,
 * before anything of that size is allocated), after checking number, shapes and type (one of two)
 * against net. Other tensors of the file are passed over.
 * Fails: MODA_ERR_FORMAT, naming path, tensor and layer. */
MODA_MUST_USE moda_status moda_class_tables_read(const moda_tensor_file *file, const char *prefix,
                                                 const moda_net *net,
                                                 const moda_class_tables *shape, moda_dtype dtype,
                                                 moda_dtype also, void *values);
MODA_MUST_USE moda_status moda_class_tables_write(const char *path, const char *prefix,
                                                  const moda_class_tables *shape, moda_dtype dtype,
                                                  const void *values, const moda_metadata *metadata,
                                                  size_t metadata_count);

#endif
