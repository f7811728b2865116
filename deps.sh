#!/bin/sh
# deps.sh GROUP... - installs the Debian packages that a group needs and that are not there.
# Says what and why first. Nothing to do: says nothing. MODA_DEPS=check: never installs.
set -eu

# package, what proves it is there without dpkg (a command, a <header> or a Python module), why
group_packages() {
    case $1 in
    build)
        echo "gcc cmd:cc the compiler
libc6-dev hdr:stdio.h the C library's headers
make cmd:make runs the build
pkg-config cmd:pkg-config finds the libraries' flags
libdnnl-dev hdr:oneapi/dnnl/dnnl.h oneDNN: convolutions and matrix products
libhwloc-dev hdr:hwloc.h hwloc: cores and memory nodes
libjansson-dev hdr:jansson.h Jansson: JSON files
zlib1g-dev hdr:zlib.h zlib: gzipped data sets
libjpeg-dev hdr:stdio.h,jpeglib.h libjpeg-turbo: JPEG image folders
libpng-dev hdr:png.h libpng: PNG image folders
libmatio-dev hdr:matio.h matio: SVHN's .mat files"
        ;;
    test) echo "libcriterion-dev hdr:criterion/criterion.h Criterion: the test framework" ;;
    data)
        echo "dataset-fashion-mnist dir:/usr/share/datasets/fashion-mnist Fashion-MNIST: the demo's images"
        ;;
    plot) echo "gnuplot-nox cmd:gnuplot gnuplot: the pictures of moda scale" ;;
    format) echo "clang-format cmd:clang-format the source format" ;;
    numa)
        echo "qemu-system-x86 cmd:qemu-system-x86_64 QEMU: a machine with two nodes for make test-numa
busybox-static cmd:busybox BusyBox: the user land inside it
cpio cmd:cpio cpio: packs its file system"
        ;;
    fuzz)
        echo "clang cmd:clang clang: its libFuzzer makes up files for make fuzz
libomp-dev hdr:omp.h libomp: OpenMP for clang"
        ;;
    races)
        echo "clang cmd:clang clang: ThreadSanitizer for make races
libomp-dev hdr:omp.h libomp: OpenMP that tells ThreadSanitizer of its barriers (Archer)"
        ;;
    analyse)
        echo "cppcheck cmd:cppcheck cppcheck: finds defects without running anything
clang-tidy cmd:clang-tidy clang-tidy: likewise
libomp-dev hdr:omp.h libomp: the header omp.h for clang"
        ;;
    memcheck) echo "valgrind cmd:valgrind valgrind: reads and writes of memory for make memcheck" ;;
    faults)
        echo "strace cmd:strace strace: makes system calls fail for make faults
python3 cmd:python3 Python: runs that"
        ;;
    peers)
        echo "python3-torch py:torch PyTorch: what moda is measured against
python3-numpy py:numpy NumPy: used by PyTorch
libopenblas0 lib:libopenblas.so.0 OpenBLAS: PyTorch's fast matrix product"
        ;;
    *)
        echo "moda: deps.sh: unknown group '$1' (build test data plot format numa fuzz races analyse memcheck faults peers)" >&2
        exit 2
        ;;
    esac
}

# Whether a package's content is there although dpkg does not know the package.
found_otherwise() {
    what=${1#*:}
    case $1 in
    cmd:*) command -v "$what" >/dev/null ;;
    hdr:*)
        # shellcheck disable=SC2086
        echo "$what" | tr , '\n' | sed 's/.*/#include <&>/' |
            ${CC:-cc} ${CPPFLAGS:-} -E -x c - >/dev/null 2>&1
        ;;
    dir:*) test -d "$what" ;;
    py:*) python3 -c "import $what" 2>/dev/null ;;
    lib:*) ldconfig -p 2>/dev/null | grep -q "$what" ;;
    esac
}

wanted=$(for group in "$@"; do group_packages "$group" || exit 2; done)
names=$(echo "$wanted" | cut -d' ' -f1)
# One question for all packages: this is the path taken on every make.
# shellcheck disable=SC2086
installed=" $(dpkg-query -W -f '${db:Status-Status}:${Package} ' $names 2>/dev/null || true)"

missing=
reasons=
while read -r package proof why; do
    case $installed in *" installed:$package "*) continue ;; esac
    found_otherwise "$proof" && continue
    missing="$missing $package"
    reasons="$reasons  $package - $why
"
done <<END
$wanted
END
missing=${missing# }
test -n "$missing" || exit 0

if test "${MODA_DEPS:-install}" = check; then
    echo "moda: missing packages: $missing (install them: apt-get install $missing)" >&2
    exit 1
fi
if ! command -v apt-get >/dev/null; then
    echo "moda: missing: $missing (Debian names), and there is no apt-get here: install them by hand" >&2
    exit 1
fi
sudo=
if test "$(id -u)" != 0; then
    if ! command -v sudo >/dev/null; then
        echo "moda: missing: $missing; as root run: apt-get install $missing" >&2
        exit 1
    fi
    sudo=sudo
fi

printf 'moda needs packages that are not installed:\n%s' "$reasons"
echo "installing with: ${sudo:+$sudo }apt-get install $missing"
# shellcheck disable=SC2086
apt_install() {
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
        -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 "$@" $missing </dev/null
}
apt_update() {
    updated=yes
    $sudo apt-get update -q </dev/null || {
        echo "moda: apt-get update failed; is there a network connection? Missing: $missing" >&2
        exit 1
    }
}
# Package lists may be absent (containers), which a dry run shows, or name versions that are gone,
# which only the download shows: update then, once.
updated=
apt_install -s >/dev/null 2>&1 || apt_update
if ! apt_install; then
    if test -n "$updated" || ! { apt_update && apt_install; }; then
        echo "moda: apt-get could not install: $missing (see above)" >&2
        exit 1
    fi
fi
echo "installed: $missing"
