# tests/numa/close.awk - whether two lines of result.sh have as many losses, each within 1e-5 of the
# other's. Bits may differ where oneDNN cuts its blocks for another cache size: sums of 1e4 products
# of f32 (6e-8 each) then differ by 1e-6, which six steps of training make a little more of.
{ n[NR] = NF; for (i = 3; i <= NF; i++) loss[NR, i] = $i }
END {
    if (NR != 2 || n[1] != n[2] || n[1] < 4) exit 1
    for (i = 3; i <= n[1]; i++) {
        d = loss[1, i] - loss[2, i]
        if (!(d * d <= 1e-10 * loss[1, i] * loss[1, i])) exit 1
    }
}
