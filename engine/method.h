/* engine/method.h - the methods of training that `--method` names: what each adds to cross entropy,
 * and what it does to the network. docs/equations.md. */
#ifndef MODA_ENGINE_METHOD_H
#define MODA_ENGINE_METHOD_H

#include "base/status.h"
#include "engine/net.h"
#include "engine/trainer.h"

typedef enum moda_method {
    MODA_METHOD_STANDARD, /* cross entropy alone */
    MODA_METHOD_MODA,     /* and the modular losses of the activation vectors */
    MODA_METHOD_MWT       /* and those of masks, which the network gets (engine/net_masked.h) */
} moda_method;

/* Words of --method, by number; NULL behind the last. */
extern const char *const moda_method_names[];
/* The method of that name; MODA_METHOD_STANDARD for NULL and for what is none. */
moda_method moda_method_named(const char *name);

/* Sets modular, masked, and weights to the usual ones of the method; the others stay. */
void moda_method_set(moda_method method, moda_train_options *options);
/* The network that is trained: moda_net_open(), and MWT puts masks into one that has none. Fails: as
 * that, and as moda_net_add_masks(). */
MODA_MUST_USE moda_status moda_method_net(moda_method method, const char *name_or_path,
                                          moda_net_defaults defaults, moda_net **net);

#endif
