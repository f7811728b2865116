# moda's build. `make help` lists targets and variables.
#
# Each configuration has its own folder below build/; its file `flags` holds the flags in use, and
# every object depends on it, so that changed flags rebuild and nothing else does.

VERSION := $(shell sed -n 's/^.define MODA_VERSION *"\(.*\)"/\1/p' moda.h)
SOMAJOR := $(firstword $(subst ., ,$(VERSION)))
PREFIX  ?= /usr/local
LIBDIR  ?= $(PREFIX)/lib

comma  := ,
space  := $(subst ,, )
CONFIG := $(or $(subst $(space),-,$(strip $(subst $(comma), ,$(SAN)) $(ARCH))),release)
B      := build/$(CONFIG)
# The everyday program stands where everyone looks for it; all others inside their folder.
MODA   := $(if $(filter build/release,$B),build,$B)/moda

# ---- sources: rooms from the bottom to the top, as includes may go ----

ROOMS   := base numa datasets losses engine decompose bench
SOURCES := $(sort $(wildcard $(ROOMS:=/*.c)))
HEADERS := $(filter-out %_internal.h %_kernel.h,$(sort $(wildcard $(ROOMS:=/*.h))))
KERNELS := $(filter %_kernel.c,$(SOURCES))
MACHINE := $(shell uname -m)
ISAS    := ref $(if $(filter x86_64 amd64,$(MACHINE)),avx2 avx512)
OBJECTS := $(patsubst %.c,$B/%.o,$(filter-out $(KERNELS),$(SOURCES))) \
           $(foreach isa,$(ISAS),$(KERNELS:%.c=$B/%_$(isa).o))
ALL_TESTS := $(patsubst tests/%.c,$B/tests/%,$(sort $(wildcard tests/test_*.c)))
TESTS   := $(if $(ONLY),$(foreach t,$(ONLY),$B/tests/test_$t),$(ALL_TESTS))
# Those that look at the machine which they are on: test-numa runs them on two nodes.
NUMA_TESTS := $(foreach t,placement binding pages places replicas threads,$B/tests/test_$t)
TEST_HELPERS := $(patsubst %.c,$B/%.o,$(filter-out tests/test_%,$(wildcard tests/*.c)))

# ---- what is missing gets installed before anything is compiled ----

WITHOUT_BUILD := clean help deps uninstall format check-format fuzz races
GOALS  := $(filter-out $(WITHOUT_BUILD),$(or $(MAKECMDGOALS),all))
GROUPS := $(if $(GOALS),build) $(if $(filter test tests test-numa,$(GOALS))$(findstring /tests/,$(GOALS)),test plot) \
          $(if $(filter test-numa,$(GOALS)),numa) $(if $(filter faults,$(GOALS)),faults) \
          $(if $(filter memcheck,$(GOALS)),memcheck) $(if $(findstring analyse,$(GOALS)),analyse) \
          $(if $(filter demo docs-blocks,$(GOALS)),data) $(if $(filter docs-blocks,$(GOALS)),plot) \
          $(if $(filter bench-peers,$(GOALS)),peers)
ifneq ($(strip $(GROUPS)),)
INSTALLED := $(shell ./deps.sh $(GROUPS) >&2 && echo yes)
ifneq ($(INSTALLED),yes)
$(error packages are missing, see the line above)
endif
endif

# ---- flags ----

PACKAGES := hwloc jansson zlib libjpeg libpng matio
# Hardening needs optimisation (FORTIFY) and would hide reports from the sanitizers.
HARDEN  := -fstack-protector-strong \
           $(if $(SAN)$(filter -O0,$(CFLAGS)),,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
# Not for kernels, whose speed is measured as they are; tests/test_hardening.c looks at the results.
GUARD   := $(if $(GOALS),$(foreach f,-fstack-clash-protection -fcf-protection, \
           $(shell $(CC) -Werror $f -x c -c /dev/null -o /dev/null 2>/dev/null && echo $f)))
OPTIMISE := $(if $(SAN),-O1 -fno-omit-frame-pointer -fsanitize=$(SAN) -fno-sanitize-recover=all,-O2)
C := -std=c17 -D_GNU_SOURCE -I. -Wall -Wextra -Wshadow -Wmissing-prototypes -Wvla \
     $(if $(WERROR),-Werror) -fopenmp -fPIC -fno-semantic-interposition -g $(OPTIMISE) $(HARDEN) \
     $(if $(GOALS),$(shell pkg-config --cflags $(PACKAGES))) $(CPPFLAGS) $(CFLAGS)
L := $(if $(SAN),-fsanitize=$(SAN)) -fopenmp -Wl,-z,relro,-z,now,-z,noexecstack $(LDFLAGS)
LIBS := $(if $(GOALS),$(shell pkg-config --libs $(PACKAGES))) -ldnnl -lm
TEST_C := -DMODA_TEST_DATA='"$(CURDIR)/tests"' -DMODA_PROGRAM='"$(abspath $(MODA))"' \
          -DMODA_LIBRARY='"$(abspath $B/libmoda.so)"'
TEST_LIBS = $(shell pkg-config --libs criterion)

# Kernels are compiled once per instruction set and chosen at run time (base/isa.h). With ARCH the
# set's own flags come on top, so that e.g. the avx512 kernels compile on any machine. ISO C forbids
# contraction to FMA by default; the wide sets allow it, the reference stays as written.
# GCC's vectors are passed inside one file only, so a change of their calling convention is no matter.
KERNEL := $(if $(SAN),,-O3) -fno-math-errno -Wno-psabi
ADD_avx2   := -mavx2 -mfma -mf16c -mbmi -mbmi2 -mlzcnt -mmovbe
ADD_avx512 := $(ADD_avx2) -mavx512f -mavx512bw -mavx512cd -mavx512dq -mavx512vl
MARCH      := $(if $(ARCH),-march=$(ARCH))
MARCH_ref    := $(MARCH)
MARCH_avx2   := $(if $(ARCH),$(MARCH) $(ADD_avx2),-march=x86-64-v3) -ffp-contract=fast
MARCH_avx512 := $(if $(ARCH),$(MARCH) $(ADD_avx512),-march=x86-64-v4) -ffp-contract=fast \
                -mprefer-vector-width=512

# The name of what is made, the whole command with V=1, nothing with -s.
RUN = $(if $V,,$(if $(findstring s,$(firstword -$(MAKEFLAGS))),@,@echo '  $@' &&))
# Seconds that one test binary may take.
TEST_TIMEOUT := $(if $(SAN),900,300)

# All cores, unless the caller said how many.
ifeq ($(filter -j% --jobs%,$(MAKEFLAGS)),)
MAKEFLAGS += -j$(shell nproc)
endif
MAKEFLAGS += --no-builtin-rules

# ---- targets ----

.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all tests test test-numa fuzz faults rounds soak races memcheck analyse analyse-cppcheck analyse-tidy analyse-gcc \
        analyse-gcc-objects demo bench-peers nightly docs docs-blocks check-docs format check-format install uninstall deps clean help FORCE

all: $(MODA) $B/libmoda.a $B/libmoda.so

$(MODA): $B/moda.o $B/libmoda.a
	$(RUN)$(CC) $(MARCH) $(OPTIMISE) -pie $L $^ $(LIBS) -o $@

$B/libmoda.a: $(OBJECTS)
	$(RUN)rm -f $@ && $(AR) rcs $@ $^

$B/libmoda.so: $(OBJECTS)
	$(RUN)$(CC) -shared -Wl,-soname,libmoda.so.$(SOMAJOR) $L $^ $(LIBS) -o $@

$(ALL_TESTS): $B/tests/%: $B/tests/%.o $(TEST_HELPERS) $B/libmoda.a
	$(RUN)$(CC) -pie $L $^ $(LIBS) $(TEST_LIBS) -o $@

$B/%.o: %.c $B/flags
	$(RUN)mkdir -p $(@D) && $(CC) $C $(GUARD) $(MARCH) -MMD -MP -c $< -o $@

$B/tests/%.o: tests/%.c $B/flags
	$(RUN)mkdir -p $(@D) && $(CC) $C $(GUARD) $(MARCH) $(TEST_C) -MMD -MP -c $< -o $@

define kernel_rule
$B/%_kernel_$(1).o: %_kernel.c $B/flags
	$$(RUN)mkdir -p $$(@D) && $$(CC) $$C $$(KERNEL) $$(MARCH_$(1)) -DMODA_ISA_SUFFIX=$(1) \
	    -MMD -MP -c $$< -o $$@
endef
$(foreach isa,$(ISAS),$(eval $(call kernel_rule,$(isa))))

FLAGS := $(CC) $C $(GUARD) $L $(LIBS) $(KERNEL) $(foreach isa,$(ISAS),$(MARCH_$(isa))) $(TEST_C)
$B/flags: FORCE
	@mkdir -p $(@D) && printf '%s\n' '$(subst ','\'',$(FLAGS))' | cmp -s - $@ || \
	    printf '%s\n' '$(subst ','\'',$(FLAGS))' >$@

# What benchmarks tell of the build (bench/machine.h). A new commit compiles that one file again.
COMMIT := $(if $(GOALS),$(if $(wildcard .git),$(shell git describe --always --dirty --abbrev=12 --exclude='*' 2>/dev/null)))
BUILT   = -DMODA_BUILD_COMMIT='"$(COMMIT)"' -DMODA_BUILD_CONFIGURATION='"$(CONFIG)"' \
          -DMODA_BUILD_FLAGS='"$(subst ",,$(subst ',,$(strip $(OPTIMISE) $(MARCH) $(CFLAGS))))"' \
          -DMODA_BUILD_VERSION='"$(VERSION)"'
$B/bench/machine.o: C += $(BUILT)
$B/bench/machine.o: $B/commit
$B/commit: FORCE
	@mkdir -p $(@D) && printf '%s\n' '$(COMMIT)' | cmp -s - $@ || printf '%s\n' '$(COMMIT)' >$@

tests: $(MODA) $B/libmoda.so $(TESTS)

test: tests
	@tests/run.sh $B $(TEST_TIMEOUT) $(TESTS)

test-numa: $(MODA) $(NUMA_TESTS)
	@tests/numa/test.sh $(abspath $(MODA)) build/numa $(abspath $(NUMA_TESTS))

# Made-up bytes for every reader, FUZZ_SECONDS for each; tests/fuzz/run.sh. libFuzzer comes with clang.
FUZZ := $(or $(ONLY),$(sort $(patsubst tests/fuzz/fuzz_%.c,%,$(filter-out %_subject.c,$(wildcard tests/fuzz/fuzz_*.c)))))
fuzz:
	@./deps.sh build fuzz
	@+$(MAKE) --no-print-directory fuzz-targets CC='$(or $(FUZZ_CC),clang)' SAN=address,undefined B=build/fuzz \
	    CFLAGS='-fsanitize=fuzzer-no-link -Wno-pass-failed -Wno-format-zero-length' ONLY='$(FUZZ)'
	@tests/fuzz/run.sh build/fuzz $(or $(FUZZ_SECONDS),10) $(FUZZ)
fuzz-targets: $(FUZZ:%=$B/tests/fuzz/fuzz_%)
$B/tests/fuzz/fuzz_%: $B/tests/fuzz/fuzz_%.o $B/tests/fuzz/fuzz.o $B/tests/fuzz/fuzz_subject.o $B/libmoda.a
	$(RUN)$(CC) -fsanitize=fuzzer $L $^ $(LIBS) -o $@

# One allocation, one call on a file fails, or kill -9 at one change of a file: in turn each, or every
# FAULTS_EVERY-th; tests/faults/faults.py.
faults: $(MODA)
	@mkdir -p build/faults && $(CC) -D_GNU_SOURCE -std=c17 -O1 -Wall -Wextra -shared -fPIC \
	    tests/faults/shim.c -o build/faults/shim.so
	@tests/faults/faults.py $(MODA) build/faults/shim.so --every $(or $(FAULTS_EVERY),1) $(FAULTS)

# Static analysis of every room; no finding is the only good result. What is left out stands, with the reason, in
# .clang-tidy, in tests/analyse/cppcheck.txt, in a NOLINT beside the line, and here for gcc:
#   malloc-leak     takes memory that goes to a caller through a pointer for lost; leaks are what
#                   AddressSanitizer, make memcheck and make faults look for
#   run.o           takes the two streams of a run for one that is closed twice
#   kernels         takes the lanes of a vector for numbers; clang-tidy sees them
#   experiment_item.o  does not see that a text is asked for, together with another, before it is read
#   cmd_describe.o, step.o  does not see that open_any() sets either the network or the model, open_all() the data
ANALYSE := build/analyse
TIDY    := $(patsubst %.c,$(ANALYSE)/%.tidy,$(SOURCES) moda.c)
analyse: analyse-cppcheck analyse-tidy analyse-gcc
analyse-cppcheck:
	@cppcheck -q --error-exitcode=1 --enable=warning,performance,portability,information \
	    --std=c11 --library=posix --library=gnu --suppressions-list=tests/analyse/cppcheck.txt \
	    -I. -D_GNU_SOURCE -D__x86_64__ --include=tests/analyse/cppcheck.h $(ROOMS) moda.c
	@echo 'cppcheck: $(words $(TIDY)) files, nothing found'
analyse-tidy: $(TIDY)
	@echo 'clang-tidy: $(words $(TIDY)) files, nothing found'
$(ANALYSE)/%.tidy: %.c .clang-tidy $(wildcard $(ROOMS:=/*.h))
	$(RUN)mkdir -p $(@D) && { clang-tidy --quiet $< -- -std=c17 -D_GNU_SOURCE -I. -fopenmp -DMODA_ISA_SUFFIX=ref \
	    -Wno-psabi $(BUILT) >$@.log 2>&1 || { cat $@.log; exit 1; }; } && touch $@
analyse-gcc:
	@+$(MAKE) --no-print-directory analyse-gcc-objects CC=gcc B=$(ANALYSE)/gcc WERROR=1 \
	    CFLAGS='-fanalyzer -Wno-analyzer-malloc-leak'
	@echo 'gcc -fanalyzer: $(words $(filter-out $(KERNELS),$(SOURCES)) moda.c) files, nothing found'
analyse-gcc-objects: $(filter-out %_ref.o %_avx2.o %_avx512.o,$(OBJECTS)) $B/moda.o
$(ANALYSE)/gcc/engine/run.o: C += -Wno-analyzer-double-fclose -Wno-analyzer-double-free
$(ANALYSE)/gcc/bench/experiment_item.o: C += -Wno-analyzer-possible-null-argument
$(ANALYSE)/gcc/engine/cmd_describe.o $(ANALYSE)/gcc/bench/step.o: C += -Wno-analyzer-null-dereference

# What moda does with a model, again and again in one process: tests/rounds/driver.c.
ROUNDS := $B/tests/rounds/driver
$(ROUNDS): $(patsubst %.c,$B/%.o,$(wildcard tests/rounds/*.c)) $B/libmoda.a
	$(RUN)$(CC) -pie $L $^ $(LIBS) -o $@
rounds: $(ROUNDS)
# Rounds for SOAK_MINUTES, on SOAK_THREADS: fails when memory grows.
soak: $(ROUNDS)
	@tests/rounds/run.sh soak $(ROUNDS) build/soak $(or $(SOAK_THREADS),1) $(or $(SOAK_MINUTES),60)
# ThreadSanitizer over one round. It knows OpenMP only as clang's runtime tells it, through Archer.
races:
	@./deps.sh build races
	@+$(MAKE) --no-print-directory rounds CC='$(or $(RACES_CC),clang)' SAN=thread B=build/races \
	    CFLAGS='-Wno-pass-failed -Wno-format-zero-length'
	@tests/rounds/run.sh races build/races/tests/rounds/driver build/races/rounds
# Valgrind over one round.
memcheck: $(ROUNDS)
	@tests/rounds/run.sh memcheck $(ROUNDS) build/memcheck

demo: $(MODA)
	@bench/demo.sh $(abspath $(MODA))

bench-peers: $(MODA)
	@bench/peers/compare.py --moda $(abspath $(MODA)) $(PEERS)

# HISTORY=FILE for one that `make clean` leaves alone.
NIGHTLY := build/nightly
nightly: $(MODA)
	@mkdir -p $(NIGHTLY) && $(MODA) nightly --history $(or $(HISTORY),$(NIGHTLY)/nightly.jsonl) \
	    --page $(NIGHTLY)/nightly.html --json $(NIGHTLY)/nightly.json $(OPTIONS)

docs: $(MODA)
	@docs/commands.sh $(MODA) >docs/commands.md.new && mv docs/commands.md.new docs/commands.md
# Measures for some ten minutes.
docs-blocks: $(MODA)
	@rm -rf $B/docs # no picture of an earlier run beside new tables
	@docs/blocks.py --moda $(MODA) --folder $B/docs docs/benchmarks.md docs/scaling.md docs/tuning.md docs/numa.md
	@for p in speedup roofline; do cp $B/docs/plots/$$p.svg docs/plots/scaling-$$p.svg || exit 1; done
check-docs: $(MODA)
	@docs/commands.sh $(MODA) | diff docs/commands.md - || { echo 'docs/commands.md is old: make docs'; exit 1; }

C_FILES = $(wildcard *.c *.h $(foreach d,$(ROOMS) tests tests/fuzz tests/faults tests/rounds,$d/*.c $d/*.h))
format:
	@./deps.sh format && clang-format -i $(C_FILES)
check-format:
	@./deps.sh format && clang-format --dry-run --Werror $(C_FILES) && \
	    echo 'format: $(words $(C_FILES)) files as .clang-format says'

# "room/thing.h" becomes "../room/thing.h": <moda/moda.h> then works with no flag at all, and
# "room/thing.h" with -I of the folder moda/.
INCLUDE := $(DESTDIR)$(PREFIX)/include/moda
install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(LIBDIR)/pkgconfig $(ROOMS:%=$(INCLUDE)/%)
	install $(MODA) $(DESTDIR)$(PREFIX)/bin/moda
	install -m 644 $B/libmoda.a $(DESTDIR)$(LIBDIR)/libmoda.a
	install -m 755 $B/libmoda.so $(DESTDIR)$(LIBDIR)/libmoda.so.$(VERSION)
	ln -sf libmoda.so.$(VERSION) $(DESTDIR)$(LIBDIR)/libmoda.so.$(SOMAJOR)
	ln -sf libmoda.so.$(SOMAJOR) $(DESTDIR)$(LIBDIR)/libmoda.so
	install -m 644 moda.h $(INCLUDE)/moda.h
	for h in $(HEADERS); do \
	    sed 's|^#include "\([^"]*/\)|#include "../\1|' $$h >$(INCLUDE)/$$h && \
	        chmod 644 $(INCLUDE)/$$h || exit 1; \
	done
	printf '%s\n' 'prefix=$(PREFIX)' 'libdir=$(LIBDIR)' 'includedir=$${prefix}/include' '' \
	    'Name: moda' 'Description: trains convolutional networks that come apart into modules' \
	    'Version: $(VERSION)' 'Requires: jansson' \
	    'Cflags: -I$${includedir} -I$${includedir}/moda' 'Libs: -L$${libdir} -lmoda' \
	    'Libs.private: $(filter-out -ljansson,$(LIBS)) -lgomp' >$(DESTDIR)$(LIBDIR)/pkgconfig/moda.pc

uninstall:
	rm -rf $(INCLUDE) $(DESTDIR)$(PREFIX)/bin/moda $(DESTDIR)$(LIBDIR)/libmoda.a \
	    $(DESTDIR)$(LIBDIR)/libmoda.so* $(DESTDIR)$(LIBDIR)/pkgconfig/moda.pc

deps:
	@./deps.sh build test data plot format numa fuzz races analyse memcheck faults
clean:
	rm -rf build

help:
	@printf '%s\n' 'targets' \
	    '  make                build/moda, libmoda.a, libmoda.so; installs missing packages first' \
	    '  make test           build and run the tests; ONLY="json rng" runs some' \
	    '  make test-numa      boot an emulated machine with two memory nodes and test in there' \
	    '  make fuzz           made-up files for every reader, FUZZ_SECONDS=10 for each; ONLY="net mat" some' \
    '  make faults         memory and calls that fail, kills, in turn each: hours; FAULTS_EVERY=41 does some' \
    '  make analyse        cppcheck, clang-tidy and gcc -fanalyzer over every room: some minutes' \
    '  make races          ThreadSanitizer (clang, Archer) over everything that is done with a model' \
    '  make memcheck       valgrind likewise: some minutes' \
    '  make soak           the same for SOAK_MINUTES=60 in one process: memory must stay flat' \
    '  make demo           LeNet-5 on Fashion-MNIST: train, decompose, compose' \
    '  make bench-peers    a training step beside PyTorch; PEERS="--help" for options' \
    '  make nightly        figures beside those of nights before, in build/nightly/; HISTORY=FILE, OPTIONS="--long"' \
    '  make install        to PREFIX ($(PREFIX)), below DESTDIR; make uninstall takes it back' \
	    '  make format         clang-format; make check-format only looks' \
	    '  make docs           docs/commands.md from --help; make check-docs only looks' \
	    '  make docs-blocks    runs the commands that docs/*.md show, and puts what they print there' \
    '  make deps           install what any target needs, but PyTorch (bench-peers)' \
	    '  make clean' \
	    'variables' \
	    '  SAN=address,undefined   sanitizers, in build/address-undefined/' \
	    '  ARCH=native             compile everything for one machine, in build/native/' \
	    '  WERROR=1                warnings are errors' \
	    '  V=1                     show commands' \
	    '  MODA_DEPS=check         never install, only say what is missing' \
	    '  CC, CFLAGS, CPPFLAGS, LDFLAGS, PREFIX, LIBDIR, DESTDIR as usual'

-include $(wildcard $B/*.d $B/*/*.d)
