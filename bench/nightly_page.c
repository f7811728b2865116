/* bench/nightly_page.c - the page: what was called above, a card with a trend for each figure
 * below. Whatever comes out of the history is text of somebody else and is escaped. */
#include "base/file.h"
#include "base/table.h"
#include "bench/nightly_internal.h"
#include "bench/nightly_page_internal.h"
#include <math.h>
#include <string.h>

void moda_page_text(FILE *f, const char *text)
{
    for (; *text; text++) {
        switch (*text) {
        case '<': fputs("&lt;", f); break;
        case '>': fputs("&gt;", f); break;
        case '&': fputs("&amp;", f); break;
        case '"': fputs("&quot;", f); break;
        default: fputc((unsigned char)*text < ' ' ? ' ' : *text, f);
        }
    }
}

static const char style[] =
    ":root{color-scheme:light "
    "dark;--paper:#fbfaf7;--card:#fff;--ink:#1d2129;--soft:#667085;--rule:#e4e2dc;"
    "--line:#3b6ea8;--band:#3b6ea81f;--bad:#c0352b;--good:#1f8a54;--badpaper:#c0352b14;"
    "--goodpaper:#1f8a5414}\n"
    "@media(prefers-color-scheme:dark){:root{--paper:#14171c;--card:#1c2027;--ink:#e6e8ec;--soft:#"
    "98a1b0;"
    "--rule:#2d333d;--line:#7fb0e8;--band:#7fb0e826;--bad:#ff7a70;--good:#5ccf94;--badpaper:#"
    "ff7a701f;"
    "--goodpaper:#5ccf941c}}\n"
    "*{box-sizing:border-box}body{margin:0;background:var(--paper);color:var(--ink);"
    "font:15px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif}\n"
    "main{max-width:1180px;margin:0 auto;padding:32px 20px 48px}h1{font-size:26px;margin:0 0 4px;"
    "letter-spacing:-.01em}h2{font-size:17px;margin:36px 0 12px}\n"
    ".soft{color:var(--soft);font-size:13px}.note{border-left:4px solid "
    "var(--rule);background:var(--card);"
    "padding:10px 14px;margin:10px 0;border-radius:0 8px 8px 0;overflow-wrap:anywhere}\n"
    ".note.bad{border-color:var(--bad);background:var(--badpaper)}.note.good{border-color:var(--"
    "good);"
    "background:var(--goodpaper)}\n"
    ".grid{display:grid;grid-template-columns:repeat(auto-fill,minmax(330px,1fr));gap:14px}\n"
    ".card{background:var(--card);border:1px solid var(--rule);border-radius:10px;padding:12px "
    "14px 8px}"
    ".card.bad{border-color:var(--bad)}.card.good{border-color:var(--good)}\n"
    ".top{display:flex;justify-content:space-between;gap:8px;align-items:baseline}.name{font-"
    "weight:600;"
    "font-size:14px;overflow-wrap:anywhere}.change{font-variant-numeric:tabular-nums;white-space:"
    "nowrap}\n"
    ".bad .change{color:var(--bad);font-weight:600}.good .change{color:var(--good);font-weight:600}"
    "svg{display:block;width:100%;height:auto;margin-top:6px}svg "
    "text{fill:var(--soft);font-size:10px}\n"
    ".axis{stroke:var(--rule)}.base{stroke:var(--soft);stroke-dasharray:4 3}.band{fill:var(--band)}"
    ".trend{fill:none;stroke:var(--line);stroke-width:1.5;stroke-linejoin:round}\n"
    ".dot{fill:var(--line)}.dot.bad{fill:var(--bad)}.dot.good{fill:var(--good)}"
    ".dot.out{fill:var(--card);stroke:var(--line)}.dot.apart{fill:var(--rule)}.dot.now{stroke:var(-"
    "-card);stroke-width:1.5}"
    ".era{stroke:var(--good);stroke-dasharray:2 3}\n"
    "footer{margin-top:36px;border-top:1px solid var(--rule);padding-top:12px}\n";

static void write_head(FILE *f, const moda_nightly *n)
{
    const size_t bad = moda_nightly_count(n, MODA_NIGHTLY_REGRESSION);
    char machine[640];
    fprintf(f,
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
            "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
            "<title>moda nightly: %s</title>\n<style>\n%s</style></head>\n<body><main>\n",
            bad ? "regression" : "no regression", style);
    if (bad)
        fprintf(f, "<h1>%zu regression%s</h1>\n", bad, bad == 1 ? "" : "s");
    else
        fputs("<h1>No regression</h1>\n", f);
    fputs("<div class=\"soft\">moda nightly, ", f);
    moda_page_text(f, n->date);
    fputs(*n->machine.commit ? ", commit " : ", ", f);
    moda_page_text(f, moda_nightly_commit(n, NULL));
    fputs("<br>", f);
    moda_page_text(f, moda_machine_line(&n->machine, machine, sizeof machine));
    fputs("</div>\n", f);
}

static void write_called(FILE *f, const moda_nightly *n)
{
    char line[768];
    for (size_t i = 0; i < n->count; i++) {
        const moda_nightly_verdict v = n->results[i].verdict;
        if (v != MODA_NIGHTLY_REGRESSION && v != MODA_NIGHTLY_IMPROVEMENT) continue;
        fprintf(f, "<p class=\"note %s\">", v == MODA_NIGHTLY_REGRESSION ? "bad" : "good");
        moda_page_text(f, moda_nightly_sentence(n, &n->results[i], line, sizeof line));
        fputs("</p>\n", f);
    }
}

static const char *card_class(const moda_nightly_result *r)
{
    return r->verdict == MODA_NIGHTLY_REGRESSION    ? " bad"
           : r->verdict == MODA_NIGHTLY_IMPROVEMENT ? " good"
                                                    : "";
}

static void write_card(FILE *f, const moda_nightly *n, const moda_nightly_result *r)
{
    const moda_nightly_figure *g = &r->figure;
    const bool share = !g->timed && strcmp(g->unit, "bytes") != 0;
    char text[32];
    fprintf(f, "<div class=\"card%s\"><div class=\"top\"><span class=\"name\">", card_class(r));
    moda_page_text(f, g->name);
    fputs("</span><span class=\"change\">", f);
    if (!isfinite(r->value))
        fputs("not measured", f);
    else if (!isfinite(r->change))
        fputs("no base yet", f);
    else if (share && !g->relative)
        fprintf(f, "%+.4f", r->change);
    else
        fprintf(f, "%+.1f&thinsp;%%", 100 * r->change);
    fputs("</span></div><div class=\"soft\">", f);
    if (!isfinite(r->value))
        moda_page_text(f, r->why ? r->why : "no figure");
    else if (strcmp(g->unit, "bytes") == 0)
        fprintf(f, "%s", moda_human_bytes(r->value, text));
    else
        fprintf(f, "%.4g %s", moda_nightly_shown(r), g->unit);
    fprintf(f, ", %s is better", g->higher ? "higher" : "lower");
    if (isfinite(r->low))
        fprintf(f, ", interval %+.1f to %+.1f&thinsp;%%", 100 * r->low, 100 * r->high);
    fputs("</div>\n", f);
    moda_page_trend(f, n, r);
    fputs("</div>\n", f);
}

/* Cards of one kind of verdict; what was called comes first. */
static void write_cards(FILE *f, const moda_nightly *n, bool called)
{
    bool any = false;
    for (size_t i = 0; i < n->count; i++) {
        const moda_nightly_result *r = &n->results[i];
        if ((*card_class(r) != 0) != called) continue;
        if (!any)
            fprintf(f, "<h2>%s</h2>\n<div class=\"grid\">\n",
                    called ? "Changed" : "As before, or not judged");
        any = true;
        write_card(f, n, r);
    }
    if (any) fputs("</div>\n", f);
}

static void write_foot(FILE *f, const moda_nightly *n)
{
    fprintf(f,
            "<footer class=\"soft\">Times are in runs of a calibration kernel. Dashed: the base; "
            "the band around it "
            "holds %.0f&thinsp;%% of single nights; green line: a new base begins; red: a "
            "regression that stands; "
            "hollow: an outlier, which does not count; grey, at the edge: of a night when the "
            "cores were at "
            "another distance from each other, which is compared with its like alone. With no "
            "change at all, a night calls a "
            "regression "
            "of a time with a probability of at most %g. %zu lines of other machines and %zu "
            "broken ones in the "
            "history were passed over.<br>",
            100 * MODA_NIGHTLY_CONFIDENCE, MODA_NIGHTLY_LEVEL, n->before.others, n->before.broken);
    moda_page_text(f, n->machine_class);
    fputs("</footer>\n</main></body></html>\n", f);
}

moda_status moda_nightly_write_page(const moda_nightly *n, const char *path)
{
    moda_status st = MODA_OK;
    moda_writer w = {0};
    MODA_TRY(moda_writer_open(&w, path));
    write_head(w.stream, n);
    write_called(w.stream, n);
    write_cards(w.stream, n, true);
    write_cards(w.stream, n, false);
    write_foot(w.stream, n);
    MODA_TRY(moda_writer_commit(&w));
out:
    moda_writer_abort(&w);
    return st;
}
