/* moda.h - all of libmoda. Each room's headers can be included alone just as well. */
#ifndef MODA_H
#define MODA_H

#define MODA_VERSION "0.1.0"

#include "base/file.h"
#include "base/isa.h"
#include "base/json.h"
#include "base/log.h"
#include "base/options.h"
#include "base/progress.h"
#include "base/rng.h"
#include "base/status.h"
#include "base/table.h"

#include "numa/memory.h"
#include "numa/threads.h"

#include "datasets/batch.h"
#include "datasets/data_options.h"
#include "datasets/dataset.h"

#include "losses/activation.h"
#include "losses/cross_entropy.h"
#include "losses/modular.h"
#include "losses/pairwise.h"

#include "engine/batchnorm.h"
#include "engine/evaluate.h"
#include "engine/executor.h"
#include "engine/model.h"
#include "engine/model_data.h"
#include "engine/net.h"
#include "engine/plan.h"
#include "engine/run.h"
#include "engine/safetensors.h"
#include "engine/sgd.h"
#include "engine/trainer.h"

#include "decompose/activity.h"
#include "decompose/channels.h"
#include "decompose/checksum.h"
#include "decompose/class_tables.h"
#include "decompose/compose.h"
#include "decompose/decomposition.h"
#include "decompose/kept.h"
#include "decompose/masks.h"
#include "decompose/metrics.h"
#include "decompose/rates.h"
#include "decompose/slice.h"

#include "bench/report.h"

#endif
