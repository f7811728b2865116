#include "decompose/diagnosis.h"
#include "base/file.h"
#include "base/table.h"
#include "decompose/diagnosis_internal.h"
#include <stdlib.h>
#include <string.h>

static const char *const names[MODA_SIGNATURES] = {"reuse", "overlap", "loss",
                                                   "dead",  "floor",   "masks"};

static const double thresholds[MODA_SIGNATURES] = {
    MODA_DIAGNOSIS_REUSE, MODA_DIAGNOSIS_OVERLAP, MODA_DIAGNOSIS_EPOCHS, MODA_DIAGNOSIS_DEAD, 0,
    MODA_DIAGNOSIS_MASKS};

const char *moda_signature_name(moda_signature signature)
{
    return names[signature];
}

double moda_signature_threshold(moda_signature signature)
{
    return thresholds[signature];
}

moda_status moda_diagnosis_create(moda_diagnosis **diagnosis)
{
    moda_status st = MODA_OK;
    moda_diagnosis *d = NULL;
    MODA_ALLOC(d, sizeof *d);
    for (size_t s = 0; s < MODA_SIGNATURES; s++) d->not_judged[s] = "not looked at";
    *diagnosis = d;
out:
    return st;
}

void moda_diagnosis_destroy(moda_diagnosis *d)
{
    if (!d) return;
    for (size_t i = 0; i < d->count; i++) free(d->items[i].text);
    free(d->items);
    free(d);
}

/* ---- a line ---- */

moda_status moda_diagnosis_line_open(moda_diagnosis_line *line)
{
    moda_status st = MODA_OK;
    *line = (moda_diagnosis_line){0};
    line->stream = open_memstream(&line->text, &line->size);
    MODA_CHECK(line->stream, MODA_ERR_NOMEM, "out of memory: a finding");
out:
    return st;
}

bool moda_diagnosis_judge(moda_diagnosis *d, moda_signature signature, double figure)
{
    d->not_judged[signature] = NULL;
    d->figure[signature] = figure;
    return figure > thresholds[signature];
}

moda_status moda_diagnosis_add(moda_diagnosis *d, moda_signature signature,
                               moda_diagnosis_line *line)
{
    moda_status st = MODA_OK;
    moda_finding *more = realloc(d->items, (d->count + 1) * sizeof *more);
    MODA_CHECK(more, MODA_ERR_NOMEM, "out of memory: a finding");
    d->items = more;
    const bool whole = moda_text_close(line->stream, &line->text);
    line->stream = NULL;
    MODA_CHECK(whole, MODA_ERR_NOMEM, "out of memory: a finding");
    d->items[d->count++] = (moda_finding){signature, line->text};
    line->text = NULL;
out:
    return st;
}

void moda_diagnosis_line_drop(moda_diagnosis_line *line)
{
    if (line->stream) fclose(line->stream);
    free(line->text);
    *line = (moda_diagnosis_line){0};
}

void moda_diagnosis_class(FILE *f, const moda_model *model, size_t output)
{
    char name[64];
    moda_plain_text(model->class_names[output], name, sizeof name);
    fprintf(f, "%u%s%s", model->class_ids[output], *name ? " " : "", name);
}

const char *moda_diagnosis_layer(const moda_model *model, size_t l)
{
    return moda_class_tables_name(model->net, l);
}

size_t moda_diagnosis_largest(size_t n, const double *values, double least,
                              size_t best[MODA_DIAGNOSIS_NAMED])
{
    size_t count = 0;
    while (count < MODA_DIAGNOSIS_NAMED) {
        size_t next = n;
        for (size_t i = 0; i < n; i++) {
            bool taken = values[i] <= least;
            for (size_t j = 0; j < count; j++) taken |= best[j] == i;
            if (!taken && (next == n || values[i] > values[next])) next = i;
        }
        if (next == n) break;
        best[count++] = next;
    }
    return count;
}

/* ---- what came out ---- */

void moda_diagnosis_print(const moda_diagnosis *d, unsigned only)
{
    size_t judged = 0;
    for (size_t i = 0; i < d->count; i++)
        if (only >> d->items[i].signature & 1) printf("finding: %s\n", d->items[i].text);
    for (size_t s = 0; s < MODA_SIGNATURES; s++)
        if ((only >> s & 1) && !d->not_judged[s])
            printf("%s %s %.3g (finding: above %.3g)", judged++ ? "," : "judged:", names[s],
                   d->figure[s], thresholds[s]);
    if (judged) printf("\n");
    for (size_t s = 0; s < MODA_SIGNATURES; s++)
        if ((only >> s & 1) && d->not_judged[s] && *d->not_judged[s])
            printf("not judged: %s (%s)\n", names[s], d->not_judged[s]);
}

json_t *moda_diagnosis_json(const moda_diagnosis *d)
{
    json_t *findings = json_array(), *judged = json_object(), *not_judged = json_object();
    json_t *result = NULL;
    int bad = 0;
    for (size_t i = 0; i < d->count; i++)
        bad |= json_array_append_new(findings, json_pack("{s:s s:o}", "signature",
                                                         names[d->items[i].signature], "text",
                                                         moda_json_text(d->items[i].text)));
    for (size_t s = 0; s < MODA_SIGNATURES; s++) {
        const char *why = d->not_judged[s];
        if (!why)
            bad |=
                json_object_set_new(judged, names[s],
                                    json_pack("{s:o s:f}", "figure", moda_json_number(d->figure[s]),
                                              "threshold", thresholds[s]));
        else if (*why)
            bad |= json_object_set_new(not_judged, names[s], json_string(why));
    }
    if (!bad)
        result = json_pack("{s:O s:O s:O}", "findings", findings, "judged", judged, "not_judged",
                           not_judged);
    json_decref(findings);
    json_decref(judged);
    json_decref(not_judged);
    return result;
}
