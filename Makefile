# The front door; meson and ninja do the work. `make help` lists what there is.

BUILD     ?= build
BUILD_DEV ?= build-dev
MESON     ?= meson
NINJA     ?= ninja
PREFIX    ?= /usr/local
JOBS      ?= $(shell nproc)
MESONFLAGS ?=

# Presets: each is a build directory of its own, build-<preset>; release is plain build/ and without unit tests.
FLAGS_release  := -Ddebug=true -Doptimization=2 -Dunit_tests=false
FLAGS_dev      := -Ddebug=true -Doptimization=1 -Db_sanitize=address,undefined -Db_lundef=false -Dchecks=true
FLAGS_tsan     := -Ddebug=true -Doptimization=1 -Db_sanitize=thread -Db_lundef=false -Dchecks=true
FLAGS_fuzz     := -Ddebug=true -Doptimization=1 -Db_sanitize=address,undefined -Db_lundef=false -Dchecks=true -Dfuzzers=true -Dc_args=-fsanitize=fuzzer-no-link -Dunit_tests=false
FLAGS_coverage := -Ddebug=true -Doptimization=0 -Db_coverage=true -Dchecks=true

export MESON NINJA JOBS

.PHONY: all release dev tsan fuzz coverage deps demo test test-full bench lint format install clean help

all: release

release:
	@scripts/build $(BUILD) $(FLAGS_release) --prefix=$(PREFIX) $(MESONFLAGS)

dev:
	@scripts/build $(BUILD_DEV) $(FLAGS_dev) $(MESONFLAGS)

tsan:
	@scripts/build build-tsan $(FLAGS_tsan) $(MESONFLAGS)

fuzz:
	@scripts/install-deps --fuzz
	@CC=clang scripts/build build-fuzz $(FLAGS_fuzz) $(MESONFLAGS)

coverage:
	@scripts/build build-coverage $(FLAGS_coverage) $(MESONFLAGS)

deps:
	@scripts/install-deps

demo: deps
	@$(MAKE) --no-print-directory release
	@BUILD=$(BUILD) scripts/demo $(if $(DIR),"$(DIR)")

test: deps
	@$(MAKE) --no-print-directory release dev
	@test/run --build $(BUILD) --build-dev $(BUILD_DEV)

test-full: deps
	@$(MAKE) --no-print-directory release dev
	@test/run --full --build $(BUILD) --build-dev $(BUILD_DEV)

bench:
	@scripts/install-deps --bench
	@$(MAKE) --no-print-directory release
	@scripts/bench
	@if [ "$$(id -u)" = 0 ]; then scripts/bench-read; else echo "bench-read: not measured: root only"; fi
	@if [ "$$(id -u)" = 0 ]; then scripts/bench-mount; else echo "bench-mount: not measured: root only"; fi

lint:
	@scripts/install-deps --lint
	@$(MAKE) --no-print-directory dev
	@scripts/lint $(BUILD_DEV)

format:
	@git ls-files -z -co --exclude-standard -- '*.c' '*.h' | xargs -0 -r clang-format -i

install: release
	@$(MESON) install -C $(BUILD) --no-rebuild

clean:
	@rm -rf $(BUILD) $(BUILD_DEV) build-tsan build-fuzz build-coverage

help:
	@echo 'make            release build; the command is build/ubtrfs'
	@echo 'make demo       build an image from /usr/share/doc and /usr/include (DIR=... for another tree), look into it'
	@echo 'make test       the tests; last line: N passed, N failed, N skipped'
	@echo 'make test-full  the same with the full matrix'
	@echo 'make bench      measure beside the peers'
	@echo 'make lint       clang-format, tools/tidy, clang-tidy or cppcheck'
	@echo 'make format     apply clang-format to all C files'
	@echo 'make install    library, headers, pkg-config file, command, man pages (PREFIX=, DESTDIR=)'
	@echo 'make dev|tsan|fuzz|coverage   the other presets, in build-<preset>/'
	@echo 'make clean      remove the build directories'
