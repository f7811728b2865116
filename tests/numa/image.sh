#!/bin/sh
# tests/numa/image.sh IMAGE SETTINGS PROGRAM... - packs an initramfs: BusyBox, the scripts of this folder
# with init.sh as /init, the file SETTINGS, the programs under the paths that they have here, and the
# libraries they need.
set -eu
here=$(dirname "$0")
image=$1 settings=$2
shift 2
root=$image.root
rm -rf "$root"
mkdir -p "$root/bin" "$root/dev" "$root/proc" "$root/sys" "$root/tmp" "$root/numa"
cp "$(command -v busybox)" "$root/bin/busybox"
ln -s busybox "$root/bin/sh"
cp "$here"/*.sh "$here/../run.sh" "$here/../environment.sh" "$root/numa/"
cp "$here/init.sh" "$root/init"
cp "$settings" "$root/numa/settings"
for program in "$@"; do
    mkdir -p "$root/$(dirname "$program")"
    strip -o "$root/$program" "$program"
done
# "libz.so.1 => /lib/x86_64-linux-gnu/libz.so.1 (0x...)", and the loader: "/lib64/ld-linux... (0x...)"
ldd "$@" | sed -n 's/^.*[ \t]\(\/[^ ]*\) (0x.*$/\1/p' | sort -u | while read -r library; do
    mkdir -p "$root/$(dirname "$library")"
    cp -L "$library" "$root/$library"
done
(cd "$root" && find . | cpio -o -H newc --quiet) >"$image"
rm -rf "$root"
