/* decompose/masks.h - which neurons each class needs.
 *
 *     mask[c][l][k] = rate[c][l][k] >= tau, both in f32 (as the published implementation compares:
 *                     0.9f is a little below 0.9, so 9 samples of 10 do pass tau = 0.9)
 *
 * Floor rule, by rates of tracked layers: with m = max(1, floor(min_active * units)), a class with
 * fewer than m active neurons in a layer gets its top K by rate instead, K = max(m, largest count
 * that any class has there). Of equal rates the lower neuron number comes first. Classes are taken
 * in order; that the largest count includes classes already filled up changes nothing, since they
 * were filled up to just K.
 *
 * By rates of [mask] layers (MwT) there is no floor. Where a class would keep nothing of a layer,
 * tau is lowered for that class and layer in steps of 0.05, f32 of the f64 difference, until it
 * keeps something; below the last step, any rate above 0 will do.
 *
 * File: safetensors, `mask.L` U8 (BOOL is read too) [classes, units], and the metadata `moda.tau`,
 * `moda.min_active`, `moda.activity` (the rates' rule) and `moda.weights` (checksum.h); of MwT
 * `moda.method` "mwt" in place of the least active share. */
#ifndef MODA_DECOMPOSE_MASKS_H
#define MODA_DECOMPOSE_MASKS_H

#include "base/status.h"
#include "decompose/class_tables.h"
#include "decompose/rates.h"
#include "engine/net.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MODA_MIN_ACTIVE 0.005 /* the published share */

typedef struct moda_masks {
    moda_class_tables shape;
    uint8_t *values;         /* [shape.elements] of 0 and 1, table l starts at shape.offset[l] */
    double tau, min_active;  /* NaN: not known; of MwT there is no min_active */
    uint32_t weights;        /* moda_model_checksum() of the model, 0: not known */
    moda_activity_rule rule; /* of the rates */
} moda_masks;

/* All zero. */
MODA_MUST_USE moda_status moda_masks_create(const moda_net *net, moda_masks **masks);
/* min_active 0 turns the floor off; for rates of [mask] layers it says nothing. Fails:
 * MODA_ERR_ARG (tau outside (0,1], min_active outside [0,1]), MODA_ERR_UNSUPPORTED (a [mask] that
 * is 0 in all channels for all samples of a class: names both), MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_masks_from_rates(const moda_net *net, const moda_rates *rates,
                                                double tau, double min_active, moda_masks **masks);
void moda_masks_destroy(moda_masks *masks);

/* True if class c would keep fewer neurons of layer l than the floor asks for, so that the floor
 * rule alone chose its mask there. rates: those that the masks are of. */
bool moda_masks_floored(const moda_masks *masks, const moda_rates *rates, size_t c, size_t l);

/* OR over classes [count] of table l: keep [units]. */
void moda_masks_union(const moda_masks *masks, size_t l, const size_t *classes, size_t count,
                      uint8_t *keep);

/* Atomically. */
MODA_MUST_USE moda_status moda_masks_save(const moda_masks *masks, const char *path);
/* Fails: MODA_ERR_IO, MODA_ERR_FORMAT (missing or misshapen table, an entry that is neither 0 nor
 * 1; the message names path, tensor and layer), MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_masks_load(const char *path, const moda_net *net,
                                          moda_masks **masks);

#endif
