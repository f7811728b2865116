#include "decompose/compose.h"
#include "base/file.h"
#include "base/json.h"
#include "decompose/checksum.h"
#include "decompose/slice.h"
#include <stdlib.h>

moda_status moda_kept_of_classes(const moda_net *net, const moda_masks *masks,
                                 const size_t *classes, size_t count, moda_kept **kept)
{
    moda_status st = MODA_OK;
    const moda_class_tables *shape = &masks->shape;
    uint8_t **keep = NULL;
    for (size_t i = 0; i < count; i++) /* before masks are read by it */
        MODA_CHECK(classes[i] < shape->classes, MODA_ERR_ARG,
                   "class %zu: %s has %zu outputs, numbered from 0", classes[i], net->name,
                   shape->classes);
    MODA_ALLOC(keep, shape->layers * sizeof *keep);
    for (size_t l = 0; l < shape->layers; l++) {
        MODA_ALLOC(keep[l], shape->units[l]);
        moda_masks_union(masks, l, classes, count, keep[l]);
    }
    MODA_TRY(moda_kept_of_unions(net, masks, (const uint8_t *const *)keep, classes, count, kept));
out:
    for (size_t l = 0; keep && l < shape->layers; l++) free(keep[l]);
    free(keep);
    return st;
}

moda_status moda_kept_of_unions(const moda_net *net, const moda_masks *masks,
                                const uint8_t *const *keep, const size_t *classes, size_t count,
                                moda_kept **kept)
{
    moda_status st = MODA_OK;
    size_t *all = NULL;
    MODA_ALLOC(all, net->classes * sizeof *all);
    for (size_t k = 0; k < net->classes; k++) all[k] = k;
    if (masks->shape.mwt && count > 0) classes = all, count = net->classes;
    MODA_TRY(moda_kept_create_at(net, moda_class_tables_sites(&masks->shape), keep, classes, count,
                                 kept));
out:
    free(all);
    return st;
}

static int by_number(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* The outputs do not say which classes the module is of. */
static moda_status name_mwt(const moda_model *model, const size_t *classes, size_t count,
                            moda_model *module)
{
    moda_status st = MODA_OK;
    json_t *about = NULL, *list = json_array();
    uint32_t *ids = NULL;
    char *text = NULL;
    MODA_TRY(moda_json_parse(module->module, strlen(module->module), &about, NULL));
    MODA_ALLOC(ids, count * sizeof *ids);
    int bad = !about || !list;
    for (size_t i = 0; i < count; i++) ids[i] = model->class_ids[classes[i]];
    qsort(ids, count, sizeof *ids, by_number);
    for (size_t i = 0; i < count; i++)
        bad |= json_array_append_new(list, json_integer((json_int_t)ids[i]));
    bad |= json_object_set(about, "classes", list);
    bad |= json_object_set_new(about, "method", json_string("mwt"));
    MODA_CHECK(!bad && (text = moda_json_line(about)) != NULL, MODA_ERR_NOMEM,
               "out of memory: the description of a module");
    free(module->module);
    module->module = text;
out:
    json_decref(about);
    json_decref(list);
    free(ids);
    return st;
}

moda_status moda_compose_kept(const moda_model *model, const moda_masks *masks,
                              const moda_kept *kept, const size_t *classes, size_t count,
                              moda_model **result)
{
    moda_status st = MODA_OK;
    moda_model *module = NULL;
    MODA_TRY(moda_slice(model, kept, masks->tau, &module));
    if (masks->shape.mwt) MODA_TRY(name_mwt(model, classes, count, module));
    *result = module, module = NULL;
out:
    moda_model_destroy(module);
    return st;
}

moda_status moda_compose(const moda_model *model, const moda_masks *masks, const size_t *classes,
                         size_t count, moda_model **module)
{
    moda_status st = MODA_OK;
    moda_kept *kept = NULL;
    MODA_TRY(moda_kept_of_classes(model->net, masks, classes, count, &kept));
    MODA_TRY(moda_compose_kept(model, masks, kept, classes, count, module));
out:
    moda_kept_destroy(kept);
    return st;
}

moda_status moda_decomposition_open(const char *directory, moda_model **model_out,
                                    moda_masks **masks_out)
{
    moda_status st = MODA_OK;
    moda_model *model = NULL;
    moda_masks *masks = NULL;
    char *model_path = moda_format("%s/model.safetensors", directory);
    char *masks_path = moda_format("%s/masks.safetensors", directory);
    MODA_CHECK(model_path && masks_path, MODA_ERR_NOMEM, "out of memory: %s", directory);
    MODA_CHECK(moda_is_directory(directory), MODA_ERR_IO,
               "%s: no such folder: name one that `moda decompose` wrote", directory);
    MODA_CHECK(moda_is_file(masks_path) && moda_is_file(model_path), MODA_ERR_IO,
               "%s: no %s in it: name a folder that `moda decompose` wrote and finished", directory,
               moda_is_file(masks_path) ? "model.safetensors" : "masks.safetensors");
    MODA_TRY(moda_model_open(model_path, (moda_net_defaults){0}, &model));
    MODA_TRY(moda_masks_load(masks_path, model->net, &masks));
    MODA_CHECK(masks->weights == 0 || masks->weights == moda_model_checksum(model), MODA_ERR_FORMAT,
               "%s: made for other weights than %s has now: decompose the model again", masks_path,
               model_path);
    *model_out = model, model = NULL;
    *masks_out = masks, masks = NULL;
out:
    moda_model_destroy(model);
    moda_masks_destroy(masks);
    free(model_path);
    free(masks_path);
    return st;
}
