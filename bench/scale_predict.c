#include "bench/scale_predict.h"
#include "numa/threads.h"
#include <math.h>

double moda_predict_bytes(const moda_predict_model *m, size_t i)
{
    return fmin(m->parts[i].bytes, m->parts[i].seconds * m->base_bandwidth);
}

/* max(..) of part i. */
static double bound(const moda_predict_model *m, size_t i, size_t threads, double bandwidth,
                    bool *memory)
{
    const double compute = m->parts[i].seconds * (double)m->base / (double)threads;
    const double transfer = moda_predict_bytes(m, i) / bandwidth;
    if (memory) *memory = transfer > compute;
    return fmax(compute, transfer);
}

static double bounds(const moda_predict_model *m, size_t threads, double bandwidth)
{
    double sum = 0;
    for (size_t i = 0; i < m->count; i++) sum += bound(m, i, threads, bandwidth, NULL);
    return sum;
}

static double base_seconds(const moda_predict_model *m)
{
    double sum = 0;
    for (size_t i = 0; i < m->count; i++) sum += m->parts[i].seconds;
    return sum;
}

double moda_predict_part_seconds(const moda_predict_model *m, size_t i, size_t threads,
                                 double bandwidth, bool *memory)
{
    return (1 - m->serial) * bound(m, i, threads, bandwidth, memory);
}

double moda_predict_seconds(const moda_predict_model *m, size_t threads, double bandwidth)
{
    return m->rest + (1 - m->serial) * bounds(m, threads, bandwidth) + m->serial * base_seconds(m);
}

/* T(n) - rest is linear in s: M(n) + s (T(b) - M(n)). */
void moda_predict_fit_serial(moda_predict_model *m, const moda_predict_sample *s, size_t count)
{
    const double base = base_seconds(m);
    double up = 0, down = 0, sum = 0;
    for (size_t i = 0; i < count; i++) {
        const double weight = 1 / (s[i].seconds * s[i].seconds);
        const double least = bounds(m, s[i].threads, s[i].bandwidth);
        up += weight * (s[i].seconds - least) * (base - least);
        down += weight * (base - least) * (base - least);
    }
    m->serial = down > 0 ? fmin(1, fmax(0, up / down)) : 0;
    for (size_t i = 0; i < count; i++) {
        const double told = moda_predict_seconds(m, s[i].threads, s[i].bandwidth) - m->rest;
        sum += (told / s[i].seconds - 1) * (told / s[i].seconds - 1);
    }
    m->error = sqrt(sum / (double)count);
}

moda_status moda_predict_bandwidth(const moda_predict_model *m, const moda_topology *machine,
                                   size_t threads, double *bandwidth, size_t *nodes)
{
    moda_status st = MODA_OK;
    const moda_team_wish wish = {.threads = threads, .bind = "cores"};
    moda_team *team = NULL;
    double sum = 0;
    MODA_TRY(moda_team_predict(machine, &wish, &team));
    for (size_t i = 0; i < team->nodes; i++)
        sum += fmin((double)team->node[i].threads * m->thread_bandwidth, m->node_bandwidth);
    *bandwidth = sum, *nodes = team->nodes;
out:
    moda_team_destroy(team);
    return st;
}
