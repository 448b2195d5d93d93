# Pinhole. `make run` and `make test` do everything from a fresh machine; `make help` lists the rest.
#
# Variables: BUILD (folder of the build), ROOMS (folders that are compiled), T (a folder of tests),
# CC, OPT, SANITIZE, CFLAGS, LDFLAGS; PREFIX and DESTDIR of `install`; FUZZ_SECONDS.

SHELL := /bin/bash
.DELETE_ON_ERROR:
.SUFFIXES:
.SECONDARY:
.DEFAULT_GOAL := all

VERSION := 0.1
ifeq ($(origin CC),default)
CC := gcc
endif
PREFIX ?= /usr/local
BUILD ?= build
TOP := $(CURDIR)
FUZZ_SECONDS ?= 20
COVERAGE_MIN ?= 85
ASAN := -fsanitize=address,undefined -fno-omit-frame-pointer -fno-sanitize-recover=undefined

# What is compiled. ROOMS narrows it while one room is worked on:
# make ROOMS="src/base src/wire" BUILD=build/wire tests
ROOMS ?= $(patsubst %/,%,$(sort $(dir $(wildcard src/*/*.c lab/*.c lab/*/*.c lab/*/*/*.c))))

export PKG_CONFIG_PATH := $(TOP)/.deps/usr/lib/pkgconfig:$(PKG_CONFIG_PATH)
# GNU Make before 4.4 does not hand its variables to $(shell).
PKG_CONFIG := PKG_CONFIG_PATH='$(PKG_CONFIG_PATH)' pkg-config
PKGS := openssl libngtcp2 libngtcp2_crypto_ossl libnl-3.0 libnl-route-3.0 libnftables libfyaml \
        jansson libpcap libcurl expat cmocka
# Debian 12 has all but the first three; those come from .deps/ (scripts/deps). Each is asked for
# once, when the first command needs it.
PKG_CFLAGS = $(eval PKG_CFLAGS := $$(shell $(PKG_CONFIG) --cflags $(PKGS) 2>/dev/null))$(PKG_CFLAGS)
PKG_LIBS = $(eval PKG_LIBS := $$(shell \
    $(PKG_CONFIG) --static --libs libngtcp2_crypto_ossl libngtcp2 openssl 2>/dev/null; \
    $(PKG_CONFIG) --libs libnl-3.0 libnl-route-3.0 libnftables libfyaml jansson libpcap \
    libcurl expat) -lm)$(PKG_LIBS)

WARN := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla -Werror
OPT ?= -O2 -g
SANITIZE ?=
# With -fsanitize gcc loses sight of the ranges that -Wconversion is about.
CFLAGS_ALL = -std=c17 -D_GNU_SOURCE $(WARN) $(if $(SANITIZE),-Wno-conversion) $(OPT) $(SANITIZE) \
             -Isrc -I. $(PKG_CFLAGS) -DLAB_SOURCE_TREE='"$(TOP)"' $(CFLAGS)
# Our OpenSSL is static; libcurl's libraries may bring another one, which must not find ours.
LDFLAGS_ALL = $(SANITIZE) -Wl,--exclude-libs,libssl.a:libcrypto.a $(LDFLAGS)

MAINS := src/cli/pinhole.c lab/cli/natlab.c
SRCS := $(filter-out $(MAINS),$(wildcard $(addsuffix /*.c,$(ROOMS))))
OBJ := $(BUILD)/obj
CORE_OBJS := $(patsubst %.c,$(OBJ)/%.o,$(filter src/%,$(SRCS)))
LAB_OBJS := $(patsubst %.c,$(OBJ)/%.o,$(filter lab/%,$(SRCS)))
CORE := $(BUILD)/libpinhole.a
LAB := $(OBJ)/liblab.a
LIBS := $(LAB) $(CORE)

TESTS_SRC := $(wildcard $(if $(T),$(T)/test_*.c,tests/*/test_*.c tests/*/*/test_*.c))
TESTS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(TESTS_SRC))
BENCH := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/bench/bench_*.c))
FUZZERS := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
# Helpers that several tests share: tests/*.c (no main in them). As an archive, so that a test links
# only those that it uses.
COMMON_OBJS := $(patsubst %.c,$(OBJ)/%.o,$(wildcard tests/*.c))
COMMON := $(OBJ)/libcommon.a

MANS := $(patsubst %.scd,$(BUILD)/man/%,$(notdir $(wildcard src/cli/*.scd lab/cli/*.scd)))

# All of the processor, unless the caller said how much.
PAR = $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(shell nproc))
SUB = $(MAKE) --no-print-directory $(PAR)

.PHONY: all binaries lib tests bench-programs fuzz-programs tidy-all man help FORCE

all: ## build natlab, pinhole and libpinhole.a (after `make setup`)
	@+$(SUB) binaries
binaries: $(BUILD)/natlab $(BUILD)/pinhole $(CORE)
lib: $(CORE)
tests: $(TESTS)
bench-programs: $(BENCH)
fuzz-programs: $(FUZZERS)
man: $(MANS)

# ---- From a fresh machine

.PHONY: setup run test
setup: ## install what is missing: packages, ngtcp2 and OpenSSL
	@scripts/setup test

run: ## set up, build, run scenarios/quick.yaml
	@scripts/setup run
	@+$(SUB) binaries
	@$(BUILD)/natlab run scenarios/quick.yaml

# The tests that start the commands find them by NATLAB and PINHOLE.
RUN_TESTS = NATLAB=$(abspath $(1))/natlab PINHOLE=$(abspath $(1))/pinhole \
            scripts/run-tests --logs $(1)/test-logs $(patsubst $(BUILD)/%,$(1)/%,$(2))
SANITIZER_OPTIONS := ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1:$(ASAN_OPTIONS) \
                     UBSAN_OPTIONS=print_stacktrace=1:$(UBSAN_OPTIONS)
test: ## set up, then run every test with ASan and UBSan
	@scripts/setup test
	@+$(SUB) asan
	@$(SANITIZER_OPTIONS) $(call RUN_TESTS,build/asan,$(TESTS))

# ---- Checks

.PHONY: check check-build format asan fuzz coverage bench evidence tour deb install clean distclean
check: ## layout, rooms, clang-tidy, cppcheck, shellcheck, warnings of gcc and clang
	@scripts/setup check
	@+SUB='$(SUB)' scripts/check

format: ## lay out the sources by clang-format
	@find src lab tests -name '*.[ch]' -print0 | xargs -0 -r clang-format -i

asan: ## build the commands and the tests with ASan and UBSan into build/asan
	@+$(SUB) BUILD=build/asan SANITIZE='$(ASAN)' OPT='-O1 -g' binaries tests

fuzz: ## run each fuzz target for FUZZ_SECONDS on its kept corpus
	@scripts/setup check
	@+$(SUB) BUILD=build/fuzz CC=clang OPT='-O1 -g' \
	    SANITIZE='-fsanitize=fuzzer-no-link,address,undefined -fno-omit-frame-pointer' fuzz-programs
	@scripts/fuzz '$(FUZZ_SECONDS)' $(addprefix build/fuzz/fuzz/,$(notdir $(FUZZERS)))

# Tests of the lab alone, where nothing of src/ but its foundations runs.
LAB_ALONE := $(addprefix $(BUILD)/tests/,lab_nat/% lab_net/% lab_report/% lab_router/% lab_shaper/% \
             lab_stats/% lab_topo/% lab_yaml/% lab_cli/test_kill)
coverage: ## line coverage of src/ by the tests; fails under COVERAGE_MIN percent
	@scripts/setup check
	@+$(SUB) BUILD=build/coverage SANITIZE=--coverage OPT='-O0 -g' binaries tests
	@find build/coverage -name '*.gcda' -delete
	@export STORM_SEEDS=3; \
	    $(call RUN_TESTS,build/coverage,$(filter-out $(LAB_ALONE),$(TESTS))); status=$$?; \
	    scripts/coverage build/coverage '$(COVERAGE_MIN)' && exit $$status

# One clang-tidy for each file, again only when its object would be built again.
TIDY_SRCS := $(SRCS) $(wildcard $(MAINS))
tidy-all: $(patsubst %.c,$(BUILD)/tidy/%.ok,$(TIDY_SRCS))
$(BUILD)/tidy/%.ok: %.c $(OBJ)/%.o .clang-tidy
	@mkdir -p $(@D)
	@clang-tidy --quiet $< -- $(CFLAGS_ALL) 2>/dev/null && touch $@

# ---- Measurements

bench: ## measure what the lab and the core cost on this machine
	@scripts/setup test
	@+$(SUB) binaries bench-programs
	@for program in $(BENCH); do echo "== $${program##*/}" && "$$program" || exit; done

evidence: ## run every scenario at its full number of trials, and hold the simulator to the kernel
	@scripts/setup run
	@+$(SUB) binaries
	@+$(SUB) $(BUILD)/tests/lab_world/test_agreement
	@$(BUILD)/natlab run $(wildcard scenarios/*.yaml)
	@AGREEMENT_TRIALS=25 $(BUILD)/tests/lab_world/test_agreement

tour: ## a short look at a living lab
	@scripts/setup run
	@+$(SUB) binaries
	@scripts/tour $(BUILD)/natlab $(BUILD)/pinhole

# ---- To other places

deb: ## a Debian package in build/
	@scripts/setup run
	@+$(SUB) binaries man
	@scripts/deb $(VERSION)

install: ## install into DESTDIR/PREFIX
	@+$(SUB) binaries man
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/pkgconfig \
	    $(DESTDIR)$(PREFIX)/include/pinhole \
	    $(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/natlab
	install -m 755 $(BUILD)/natlab $(BUILD)/pinhole $(DESTDIR)$(PREFIX)/bin/
	install -m 644 $(CORE) $(DESTDIR)$(PREFIX)/lib/
	cd src && for header in pinhole.h $(PUBLIC_HEADERS); do \
	    install -D -m 644 "$$header" "$(DESTDIR)$(PREFIX)/include/pinhole/$$header" || exit; done
	$(if $(MANS),install -m 644 $(MANS) $(DESTDIR)$(PREFIX)/share/man/man1/)
	printf '%s\n' 'prefix=$(PREFIX)' 'Name: pinhole' 'Version: $(VERSION)' \
	    'Description: direct, encrypted QUIC paths between peers behind NATs' \
	    'Requires.private: $(PC_REQUIRES)' \
	    'Cflags: -I$${prefix}/include/pinhole' 'Libs: -L$${prefix}/lib -lpinhole' \
	    'Libs.private: -lm' \
	    >$(DESTDIR)$(PREFIX)/lib/pkgconfig/pinhole.pc
	cp -r topologies scenarios $(DESTDIR)$(PREFIX)/share/natlab/
	chmod -R u=rwX,go=rX $(DESTDIR)$(PREFIX)/share/natlab
PC_REQUIRES := libngtcp2_crypto_ossl >= 1.22, libngtcp2 >= 1.22, openssl >= 3.5, libcurl, \
               libnl-3.0, expat
# What pinhole.h includes, and the loop that carries it on Linux.
PUBLIC_HEADERS := base/addr.h base/err.h base/time.h host/host.h host/loop.h nat/allocation.h \
    nat/behaviour.h nat/facts.h nat/nat.h nat/plan.h nat/ports.h portmap/portmap.h wire/signal.h

clean: ## remove what was built
	rm -rf build
distclean: clean ## also the libraries that scripts/deps built, and results
	rm -rf .deps results

help: ## this list
	@echo 'From a fresh machine: make run, make test. All targets:'
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

# ---- Files

# Objects are built again when the compiler or its flags change.
$(OBJ)/flags: export FLAGS_NOW = $(CC) $(CFLAGS_ALL)
$(OBJ)/flags: FORCE
	@mkdir -p $(@D)
	@if ! printf '%s\n' "$$FLAGS_NOW" | cmp -s - $@; then \
	    pkg-config --exists --print-errors $(PKGS) || { \
	        echo "A library is missing: 'make setup' installs what is needed." >&2; exit 3; }; \
	    printf '%s\n' "$$FLAGS_NOW" >$@; fi
FORCE:

$(OBJ)/%.o: %.c $(OBJ)/flags
	@mkdir -p $(@D)
	@echo "  CC    $@"
	@$(CC) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

# An archive is made again also when a file has gone.
$(OBJ)/core.list: export MEMBERS = $(CORE_OBJS)
$(OBJ)/lab.list: export MEMBERS = $(LAB_OBJS)
$(OBJ)/common.list: export MEMBERS = $(COMMON_OBJS)
$(OBJ)/%.list: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' "$$MEMBERS" | cmp -s - $@ || printf '%s\n' "$$MEMBERS" >$@

$(CORE): $(CORE_OBJS) $(OBJ)/core.list
	@mkdir -p $(@D); rm -f $@; ar rcs $@ $(CORE_OBJS)
$(LAB): $(LAB_OBJS) $(OBJ)/lab.list
	@mkdir -p $(@D); rm -f $@; ar rcs $@ $(LAB_OBJS)
$(COMMON): $(COMMON_OBJS) $(OBJ)/common.list
	@mkdir -p $(@D); rm -f $@; ar rcs $@ $(COMMON_OBJS)

$(BUILD)/natlab: $(OBJ)/lab/cli/natlab.o $(LIBS)
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS_ALL) -o $@ $^ $(CORE) $(PKG_LIBS)
$(BUILD)/pinhole: $(OBJ)/src/cli/pinhole.o $(CORE)
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS_ALL) -o $@ $^ $(PKG_LIBS)

$(BUILD)/tests/%: $(OBJ)/tests/%.o $(COMMON) $(LIBS)
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS_ALL) -o $@ $< $(COMMON) $(LIBS) $(CORE) $(PKG_LIBS) -lcmocka

$(BUILD)/fuzz/%: $(OBJ)/tests/fuzz/%.o $(COMMON) $(LIBS)
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS_ALL) -fsanitize=fuzzer -o $@ $< $(COMMON) $(LIBS) $(CORE) $(PKG_LIBS) \
	    -lcmocka

$(BUILD)/man/%: src/cli/%.scd
	@mkdir -p $(@D)
	scdoc <$< >$@
$(BUILD)/man/%: lab/cli/%.scd
	@mkdir -p $(@D)
	scdoc <$< >$@

-include $(shell find $(OBJ) -name '*.d' 2>/dev/null)
