# Pinhole. `make run` and `make test` do everything from a fresh machine; `make help` lists the rest.

SHELL := /bin/bash
.DELETE_ON_ERROR:
.SUFFIXES:

CC ?= cc
ifeq ($(origin CC),default)
CC := gcc
endif
PREFIX ?= /usr/local
BUILD ?= build
TOP := $(CURDIR)

# What is compiled. ROOMS narrows it while one room is worked on:
# make ROOMS="src/base src/wire" BUILD=build/wire tests
ROOMS ?= $(patsubst %/,%,$(sort $(dir $(wildcard src/*/*.c lab/*.c lab/*/*.c lab/*/*/*.c))))

export PKG_CONFIG_PATH := $(TOP)/.deps/usr/lib/pkgconfig:$(PKG_CONFIG_PATH)
PKGS := openssl libngtcp2 libngtcp2_crypto_ossl libnl-3.0 libnl-route-3.0 libnftables libfyaml \
        jansson libpcap cmocka
# Debian 12 has all but the first three; those come from .deps/ (scripts/deps).
PKG_CFLAGS = $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
PKG_LIBS = $(shell pkg-config --static --libs libngtcp2_crypto_ossl libngtcp2 openssl 2>/dev/null) \
           $(shell pkg-config --libs libnl-3.0 libnl-route-3.0 libnftables libfyaml jansson libpcap)

WARN := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla -Werror
OPT ?= -O2 -g
SANITIZE ?=
CFLAGS_ALL = -std=c17 -D_GNU_SOURCE $(WARN) $(OPT) $(SANITIZE) -Isrc -I. $(PKG_CFLAGS) \
             -DLAB_SOURCE_TREE='"$(TOP)"' $(CFLAGS)
LDFLAGS_ALL = $(SANITIZE) $(LDFLAGS)

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
# Helpers that several tests share: tests/*.c (no main in them).
TEST_COMMON := $(patsubst %.c,$(OBJ)/%.o,$(wildcard tests/*.c))

.PHONY: all lib tests
all: $(BUILD)/natlab $(BUILD)/pinhole $(CORE)
lib: $(CORE)
tests: $(TESTS)

$(OBJ)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

$(CORE): $(CORE_OBJS)
	@rm -f $@; ar rcs $@ $^
$(LAB): $(LAB_OBJS)
	@mkdir -p $(@D); rm -f $@; ar rcs $@ $^

$(BUILD)/natlab: $(OBJ)/lab/cli/natlab.o $(LIBS)
	$(CC) $(LDFLAGS_ALL) -o $@ $^ $(CORE) $(PKG_LIBS)
$(BUILD)/pinhole: $(OBJ)/src/cli/pinhole.o $(CORE)
	$(CC) $(LDFLAGS_ALL) -o $@ $^ $(PKG_LIBS)

$(BUILD)/tests/%: $(OBJ)/tests/%.o $(TEST_COMMON) $(LIBS)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS_ALL) -o $@ $< $(TEST_COMMON) $(LIBS) $(CORE) $(PKG_LIBS) -lcmocka

-include $(shell find $(OBJ) -name '*.d' 2>/dev/null)
