#!/bin/sh
# tests/install.sh - what `make install` leaves can be compiled against, linked with and run: through
# pkg-config, shared and static, and with a bare #include <moda/moda.h>; uninstall takes all of it.
set -eu
to=$(mktemp -d)
trap 'rm -rf "$to"' EXIT
prefix=$to/usr
make -s install PREFIX="$prefix"
export PKG_CONFIG_PATH="$prefix/lib/pkgconfig"
cc=${CC:-cc}

cat >"$to/program.c" <<'END'
#include <moda/moda.h>
#include <stdio.h>
int main(void)
{
    uint32_t order[3];
    moda_rng_permutation(moda_rng_make(1, MODA_RNG_TEST, 0), 3, order);
    printf("%s %zu\n", MODA_VERSION, moda_team_current()->threads);
    return order[0] + order[1] + order[2] != 3;
}
END
sed 's|<moda/moda.h>|"base/rng.h"\n#include "numa/team.h"\n#define MODA_VERSION "bare"|' \
    "$to/program.c" >"$to/rooms.c"

# shellcheck disable=SC2046
{
    $cc -Wall -Wextra -Werror "$to/program.c" $(pkg-config --cflags --libs moda) -o "$to/shared"
    $cc -Wall -Wextra -Werror "$to/rooms.c" $(pkg-config --cflags --libs moda) -o "$to/rooms"
    $cc -Wall -Wextra -Werror "$to/program.c" -I"$prefix/include" \
        "$prefix/lib/libmoda.a" $(pkg-config --static --libs moda) -o "$to/static"
}
readelf -d "$to/shared" | grep -q 'NEEDED.*libmoda\.so\.[0-9]' || {
    echo "install: the shared library has no versioned name" >&2
    exit 1
}
LD_LIBRARY_PATH=$prefix/lib "$to/shared"
LD_LIBRARY_PATH=$prefix/lib "$to/rooms"
"$to/static"
"$prefix/bin/moda" --version
# Each installed header stands alone.
find "$prefix/include" -name '*.h' | while read -r header; do
    echo "#include \"$header\"" | $cc -Wall -Wextra -Werror -fsyntax-only -x c -
done
# And moda.h leaves none out; commands.h are for the program.
for header in */*.h; do
    case $header in *_internal.h | *_kernel.h | */commands.h | tests/*) continue ;; esac
    grep -q "\"$header\"" moda.h || {
        echo "install: moda.h does not include $header" >&2
        exit 1
    }
done
make -s uninstall PREFIX="$prefix"
left=$(find "$prefix" ! -type d)
test -z "$left" || {
    echo "install: uninstall left $left" >&2
    exit 1
}
