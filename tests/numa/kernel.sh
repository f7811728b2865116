#!/bin/sh
# tests/numa/kernel.sh DIR - leaves Debian's current cloud kernel as DIR/vmlinuz. It is taken out of its
# package: nothing is installed, and what is there is not fetched again.
set -eu
dir=$1
test ! -s "$dir/vmlinuz" || exit 0
fail() {
    echo "moda: test-numa: $1; any other Linux for x86-64 will do as $dir/vmlinuz" >&2
    exit 1
}
newest() {
    apt-cache depends linux-image-cloud-amd64 2>/dev/null | sed -n 's/.*Depends: \(linux-image-.*\)/\1/p'
}
command -v apt-get >/dev/null && command -v dpkg >/dev/null || fail "no apt-get and dpkg to fetch a kernel with"
test "${MODA_DEPS:-}" != check || fail "there is no kernel, and MODA_DEPS=check forbids fetching one"
package=$(newest)
if test -z "$package"; then
    apt-get update -q >&2 </dev/null || true
    package=$(newest)
fi
test -n "$package" || fail "apt knows no linux-image-cloud-amd64"

rm -rf "$dir/boot" "$dir"/linux-image-*.deb # of a call that did not come to its end
echo "fetching $package into $dir, nothing is installed"
fetch() { apt-get download -q "$package" </dev/null; }
# Lists from some time ago may name a file that is gone from the server.
(cd "$dir" && { fetch || { apt-get update -q && fetch; }; }) >"$dir/fetch.log" 2>&1 || {
    cat "$dir/fetch.log" >&2
    fail "$package could not be fetched"
}
dpkg --fsys-tarfile "$dir/$package"_*.deb | tar -x -C "$dir" --wildcards './boot/vmlinuz-*'
mv "$dir"/boot/vmlinuz-* "$dir/vmlinuz"
rm -rf "$dir/boot" "$dir/$package"_*.deb
