/* decompose/activity_rule.h - when a neuron counts as active for a sample, docs/decomposition.md.
 *
 *     any            its map holds any non-zero value: the published rule (activity.h)
 *     area:X         non-zero values / values of the map >= X
 *     magnitude:X    mean |x| of the map >= X * mean |x| of the sample's whole layer, and > 0
 *
 * A feature of a linear layer is a map of one value: under area, as under any, it is active when it
 * is not zero, under magnitude when |x| >= X * mean |x| of the sample's features. Counts are whole
 * numbers; means are those of losses/activation.h, in f32. All are the same for any number of
 * threads. A NaN is a non-zero value; under magnitude it leaves nothing of its sample's layer
 * active, for there is no mean to compare with. */
#ifndef MODA_DECOMPOSE_ACTIVITY_RULE_H
#define MODA_DECOMPOSE_ACTIVITY_RULE_H

#include "base/status.h"
#include "decompose/activity.h"
#include "engine/safetensors.h"
#include <stdbool.h>

typedef enum moda_activity_kind {
    MODA_ACTIVITY_ANY,
    MODA_ACTIVITY_AREA,
    MODA_ACTIVITY_MAGNITUDE
} moda_activity_kind;

/* Zeroed: the published rule. */
typedef struct moda_activity_rule {
    moda_activity_kind kind;
    double threshold; /* AREA: in (0,1]; MAGNITUDE: above 0, finite; ANY: 0 */
} moda_activity_rule;

enum { MODA_ACTIVITY_TEXT = 48 };

/* "any", "area:0.01", "magnitude:0.05". Fails: MODA_ERR_ARG (neither, or a threshold out of range). */
MODA_MUST_USE moda_status moda_activity_rule_parse(const char *text, moda_activity_rule *rule);
/* The other way, with the fewest digits that read back as the same threshold. */
void moda_activity_rule_print(moda_activity_rule rule, char text[MODA_ACTIVITY_TEXT]);
bool moda_activity_rule_equal(moda_activity_rule a, moda_activity_rule b);
/* Out of the metadata `moda.activity` of rates or masks; a file without it is of the published rule.
 * Fails: MODA_ERR_FORMAT (path, what stands there). */
MODA_MUST_USE moda_status moda_activity_rule_of_file(const moda_tensor_file *file,
                                                     moda_activity_rule *rule);

/* active [n,c] u8 := 1 where sample n's channel c is active, else 0. x in the layout of s;
 * means [n,c] is scratch, used by MAGNITUDE alone. */
void moda_activity_flags_by(moda_activity_rule rule, moda_map_shape s, const float *x, float *means,
                            uint8_t *active);

#endif
