/* decompose/strip.h - a model without its [mask] layers (MwT): what its modules are cut from.
 *
 * The layers that make masks and the multiplication by them are part of training; a module has
 * channels that are there or not. */
#ifndef MODA_DECOMPOSE_STRIP_H
#define MODA_DECOMPOSE_STRIP_H

#include "base/status.h"
#include "engine/model.h"

/* The layers that stay have their weights, and classes and input are those of the model. *plain
 * stays NULL where the model has no [mask]: it is what modules are cut from itself. Fails:
 * MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_model_strip(const moda_model *model, moda_model **plain);

#endif
