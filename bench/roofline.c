#include "bench/roofline.h"
#include "base/csv.h"
#include "base/isa.h"
#include "engine/peak.h"
#include <math.h>

#define LIMIT_SECONDS 0.05

moda_limits moda_limits_best(moda_limits a, moda_limits b)
{
    return (moda_limits){fmax(a.flops, b.flops), fmax(a.flops_bf16, b.flops_bf16),
                         fmax(a.bandwidth, b.bandwidth)};
}

moda_status moda_limits_measure(moda_limits *l)
{
    moda_status st = MODA_OK;
    moda_limits now = {0, 0, 0};
    MODA_TRY(moda_peak_flops(LIMIT_SECONDS, &now.flops));
    if (moda_cpu_has_bf16()) MODA_TRY(moda_peak_flops_bf16(LIMIT_SECONDS, &now.flops_bf16));
    MODA_TRY(moda_peak_bandwidth(LIMIT_SECONDS, &now.bandwidth));
    *l = moda_limits_best(*l, now);
out:
    return st;
}

moda_workload moda_workload_of_parts(const moda_profile *p, bool bf16)
{
    moda_workload sum = {.bf16 = bf16};
    for (size_t i = 0; i < moda_profile_parts(p); i++) {
        const moda_profile_part *part = moda_profile_part_at(p, i);
        sum.flops += part->flops, sum.bytes += part->bytes;
    }
    return sum;
}

static bool counted(moda_workload w)
{
    return w.bytes > 0;
}

moda_figures moda_figures_of(const moda_limits *l, moda_workload w, double median)
{
    const double operations = w.flops / (w.bf16 ? l->flops_bf16 : l->flops);
    const double traffic = w.bytes / l->bandwidth, bound = fmax(operations, traffic);
    return (moda_figures){.flops = w.flops / median,
                          .bytes = w.bytes / median,
                          .bound = bound,
                          .share = bound / median,
                          .compute = operations > traffic};
}

void moda_limits_print(const moda_limits *l)
{
    printf("peak %.1f GFLOP/s", l->flops * 1e-9);
    if (l->flops_bf16 > 0) printf(" (bf16 %.1f)", l->flops_bf16 * 1e-9);
    printf(", bandwidth %.2f GB/s", l->bandwidth * 1e-9);
}

/* ---- JSON and CSV ---- */

typedef struct key_value {
    const char *key;
    double value;
} key_value;

static moda_status add_reals(const key_value *reals, size_t n, json_t *object)
{
    moda_status st = MODA_OK;
    for (size_t i = 0; i < n; i++)
        MODA_CHECK(json_object_set_new(object, reals[i].key, moda_json_number(reals[i].value)) == 0,
                   MODA_ERR_NOMEM, "out of memory");
out:
    return st;
}

moda_status moda_limits_json(const moda_limits *l, json_t *object)
{
    const key_value reals[] = {{"peak_flops", l->flops},
                               {"peak_flops_bf16", l->flops_bf16 > 0 ? l->flops_bf16 : NAN},
                               {"peak_bandwidth", l->bandwidth}};
    return add_reals(reals, sizeof reals / sizeof *reals, object);
}

static const char *bound_name(moda_figures f)
{
    return f.compute ? "compute" : "bandwidth";
}

moda_status moda_figures_json(const moda_timing_summary *t, moda_workload w, moda_figures f,
                              json_t *object)
{
    moda_status st = MODA_OK;
    const bool known = counted(w);
    const key_value reals[] = {{"flops", known ? w.flops : NAN},
                               {"bytes", known ? w.bytes : NAN},
                               {"flops_per_second", known ? f.flops : NAN},
                               {"bytes_per_second", known ? f.bytes : NAN},
                               {"share_of_bound", known ? f.share : NAN}};
    json_t *bound = known ? json_string(bound_name(f)) : json_null();
    MODA_TRY(moda_timing_json(t, object));
    MODA_TRY(add_reals(reals, sizeof reals / sizeof *reals, object));
    MODA_CHECK(json_object_set(object, "bound", bound) == 0, MODA_ERR_NOMEM, "out of memory");
out:
    json_decref(bound);
    return st;
}

void moda_figures_csv_heads_as(FILE *f, const char *flops)
{
    fprintf(f,
            ",calls,median_seconds,low_seconds,high_seconds,best_seconds,%s,bytes,"
            "flops_per_second,bytes_per_second,bound,share_of_bound",
            flops);
}

void moda_figures_csv_heads(FILE *f)
{
    moda_figures_csv_heads_as(f, "flops");
}

void moda_figures_csv(FILE *f, const moda_timing_summary *t, moda_workload w, moda_figures x)
{
    const double seconds[] = {t->median, t->low, t->high, t->best};
    fprintf(f, ",%zu", t->n);
    for (size_t i = 0; i < sizeof seconds / sizeof *seconds; i++)
        fputc(',', f), moda_csv_number(f, seconds[i]);
    if (counted(w))
        fprintf(f, ",%.0f,%.0f,%.6g,%.6g,%s,%.6g", w.flops, w.bytes, x.flops, x.bytes,
                bound_name(x), x.share);
    else
        fputs(",,,,,,", f);
}

/* ---- tables ---- */

void moda_figures_columns(moda_table *t)
{
    static const char *const heads[] = {"ms", "spread", "GFLOP/s", "GB/s", "share"};
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        moda_table_column(t, true, "%s", heads[i]);
    moda_table_column(t, false, "of");
}

void moda_figures_cells(moda_table *t, const moda_timing_summary *x, moda_workload w,
                        moda_figures f)
{
    char range[MODA_TIMING_RANGE];
    moda_table_cell(t, "%.4f", 1e3 * x->median);
    moda_table_cell(t, "%s", moda_timing_range(1e3 * x->low, 1e3 * x->high, 4, range));
    const bool known = counted(w);
    moda_table_cell(t, known && w.flops > 0 ? "%.2f" : "", f.flops * 1e-9);
    moda_table_cell(t, known ? "%.2f" : "", f.bytes * 1e-9);
    moda_table_cell(t, known ? "%.2f" : "", f.share);
    moda_table_cell(t, "%s", known ? bound_name(f) : "");
}
