/* engine/cmd_topo_internal.h - what `moda topo` found out, for its two files. */
#ifndef MODA_ENGINE_CMD_TOPO_INTERNAL_H
#define MODA_ENGINE_CMD_TOPO_INTERNAL_H

#include "base/options.h"
#include "datasets/dataset.h"
#include "engine/executor.h"
#include "engine/model.h"
#include "engine/places.h"
#include "engine/trainer.h"
#include "numa/placement.h"
#include "numa/team.h"
#include "numa/topology.h"
#include <stdbool.h>

/* Below this share of a layer's pages on the right node --verify fails. */
#define MODA_TOPO_SHARE 0.95

extern const char *const moda_topo_against[]; /* words of --against */

typedef struct moda_topo {
    /* options */
    moda_common_options common;
    const char *model_name, *synthetic;
    size_t batch_size;
    int precision, against;
    bool verify;
    /* the machine, who works on it, and what is wanted */
    moda_topology *topology;
    moda_team *predicted; /* of a synthetic machine */
    moda_placement placement;
    /* the plan */
    moda_model *model;
    moda_weights *weights;   /* without --verify */
    moda_executor *executor; /* likewise, and the trainer's with it */
    moda_places *places;     /* NULL without --model */
    /* --verify */
    moda_dataset *data;
    moda_trainer *trainer;
} moda_topo;

/* Pages of all layers, those on the right node, and the layer with the smallest share of them. */
typedef struct moda_topo_verdict {
    size_t pages, right;
    const moda_place_row *worst; /* NULL: no page was touched */
} moda_topo_verdict;
moda_topo_verdict moda_topo_judge(const moda_places *places);
double moda_topo_share(const moda_place_row *row);

void moda_topo_print_machine(const moda_topo *t);
void moda_topo_print_plan(const moda_topo *t);
void moda_topo_print_pages(const moda_topo *t);
MODA_MUST_USE moda_status moda_topo_write_json(const moda_topo *t);

#endif
