# SPDX-License-Identifier: MIT
#
# Makefile - build, test, run.  "make help" lists the targets; config.mk holds what may be set.
#
# Every core/**/*.c and applets/**/*.c is found by itself: adding a file needs no edit here.
# Dependencies are built once by build/deps.mk into $(DEPS), in directories named by a digest
# of what went into them.
include config.mk

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:
.SECONDARY:
MAKEFLAGS += --no-builtin-rules --no-print-directory
# All cores, unless -j says otherwise: what is given on the command line wins over this.
ifeq (0,$(MAKELEVEL))
MAKEFLAGS += -j$(shell nproc 2>/dev/null || echo 2)
endif
Q := $(if $(V),,@)
say = @printf '  %-7s %s\n'

OUT := build/out
GEN := $(OUT)/gen

# --- dependencies -------------------------------------------------------------------------
DEPS_KEY := $(shell { sed -n '/--- dependencies/,$$p' config.mk; cat build/deps.mk; echo '$(CC)'; $(CC) -dumpfullversion -dumpmachine; } \
	2>/dev/null | sha256sum | cut -c1-10)
MUSL := $(abspath $(DEPS))/musl-$(DEPS_KEY)
HOST := $(abspath $(DEPS))/host-$(DEPS_KEY)

$(MUSL)/.done: FLAVOUR := musl
$(HOST)/.done: FLAVOUR := host
$(MUSL)/.done $(HOST)/.done:
	@sh build/tools.sh build
	@mkdir -p $(@D)
	+@flock $(@D)/.lock $(MAKE) -f build/deps.mk FLAVOUR=$(FLAVOUR) PREFIX=$(@D) CC='$(CC)' \
		CACHE='$(CACHE)' DEPS_MIRROR='$(DEPS_MIRROR)'

# --- sources ------------------------------------------------------------------------------
find_c = $(sort $(shell find $(1) -name '*.c' -not -path '*/fuzz/*' -not -path '*/tests/*' 2>/dev/null))
CORE_C := $(call find_c,core)
APPLET_C := $(call find_c,applets)

# --- flags --------------------------------------------------------------------------------
WARNINGS := -Wall -Wextra -Wshadow -Wvla -Wundef -Wformat=2 -Wcast-qual -Wwrite-strings \
	-Wstrict-prototypes -Wmissing-prototypes -Wno-unused-parameter -Wno-missing-field-initializers
# Always errors: what a newer compiler does not invent anew.
WARNINGS += $(addprefix -Werror=,vla format implicit-function-declaration incompatible-pointer-types \
	int-conversion return-type missing-prototypes strict-prototypes uninitialized shadow undef \
	cast-qual write-strings parentheses switch unused-variable unused-function) -Wno-error=maybe-uninitialized
ifneq ($(WERROR)$(CI),)
WARNINGS += -Werror
endif

CPPFLAGS := -D_GNU_SOURCE -DZLIB_CONST -Icore -Iapplets -I$(GEN)
BASE_CFLAGS := -std=gnu11 -g -pthread -pipe $(WARNINGS)
HARDEN := -fstack-protector-strong -fstack-clash-protection -ftrivial-auto-var-init=zero
LDLIBS := -lseccomp -lbearssl -lz -lisal -lzstd -ljansson -lm

# Static and not position-independent: no interpreter, no DYNAMIC section, no relocations to
# process before main, the same pages shared by every process of the engine.
STATIC_CFLAGS := -specs $(MUSL)/lib/musl-gcc.specs $(BASE_CFLAGS) -O2 $(HARDEN) -fno-pie -fno-plt \
	-ffunction-sections -fdata-sections -fcf-protection=none \
	-ffile-prefix-map=$(MUSL)=deps -ffile-prefix-map=$(CURDIR)=.
STATIC_LDFLAGS := -specs $(MUSL)/lib/musl-gcc.specs -static -no-pie -pthread \
	-Wl,--gc-sections,-z,relro,-z,now,-z,noexecstack,--build-id=sha1
HOST_CPPFLAGS := $(CPPFLAGS) -isystem $(HOST)/include
# Warnings are judged where we ship: at -O1 gcc sees less of a value and guesses more.
SAN_CFLAGS := $(filter-out -Werror,$(BASE_CFLAGS)) -O1 -fno-omit-frame-pointer -fno-common \
	-Wno-format-truncation

.PHONY: all help clean distclean FORCE bench
all: $(OUT)/coracle

# --- how a set of objects is made ---------------------------------------------------------
# objects DIR, DEPENDENCIES, COMPILER, FLAGS: OUT/DIR/**/%.o from **/%.c.  The flags are kept
# in a file whose change rebuilds that set, and only that.
define objects
$(OUT)/$(1)/.flags: FORCE
	@mkdir -p $$(@D); printf '%s\n' '$(3) $(4)' | cmp -s - $$@ || printf '%s\n' '$(3) $(4)' >$$@
$(OUT)/$(1)/%.o: %.c $(OUT)/$(1)/.flags | $(2) $(GEN)/version.h $(GEN)/netd_syscalls.h
	$$(say) CC '$$*.c'
	@mkdir -p $$(@D)
	$$(Q)$(3) $(4) -MMD -MP -c -o $$@ $$<
endef

objs = $(patsubst %.c,$(OUT)/$(1)/%.o,$(2))

$(eval $(call objects,obj,$(MUSL)/.done,$(CC),$(CPPFLAGS) $(STATIC_CFLAGS)))

FORCE:
# What netd may call, from the comments beside the calls.
$(GEN)/netd_syscalls.h: build/syscalls.sh $(wildcard core/net/*.c)
	@mkdir -p $(@D); sh build/syscalls.sh NETD_SYSCALLS $(filter %.c,$^) >$@.new; \
		if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi
$(GEN)/version.h: FORCE
	@mkdir -p $(@D); sh build/version.sh '$(VERSION)' $(foreach l,$(LIBS),'$(l) $($(l)_VERSION)') >$@.new; \
		if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi

# --- the program --------------------------------------------------------------------------
CORE_O := $(call objs,obj,$(CORE_C))
APPLET_O := $(call objs,obj,$(APPLET_C))

$(OUT)/coracle.debug: $(CORE_O) $(APPLET_O)
	$(say) LINK $@
	$(Q)$(CC) $(STATIC_LDFLAGS) -o $@ $^ $(LDLIBS)

# By rename: a running engine keeps the file it was started from.
$(OUT)/coracle: $(OUT)/coracle.debug
	$(Q)$(STRIP) -o $@.new $< && mv -f $@.new $@

-include $(CORE_O:.o=.d) $(APPLET_O:.o=.d)

# --- unit tests ---------------------------------------------------------------------------
# tests/unit/test_NAME.c is a program; an archive of all our code but main() serves it what it
# calls.  Built three times over: as shipped, and with each sanitizer.
UNIT_C := $(sort $(wildcard tests/unit/test_*.c))
LIB_C := $(CORE_C) $(filter-out applets/main.c,$(APPLET_C))

# variant DIR, LINK COMMAND, LIBRARIES: libcoracle.a, unit tests and the program from DIR's objects
define variant
$(OUT)/$(1)/libcoracle.a: $(call objs,$(1),$(LIB_C))
	@rm -f $$@ && $(AR) rcsT $$@ $$^
$(OUT)/$(1)/test_%: $(OUT)/$(1)/tests/unit/test_%.o $(OUT)/$(1)/libcoracle.a
	$$(Q)$(2) -o $$@ $$^ $(3)
-include $(patsubst %.c,$(OUT)/$(1)/%.d,$(UNIT_C))
endef
$(eval $(call variant,obj,$(CC) $(STATIC_LDFLAGS),$(LDLIBS)))

# tests/probes/NAME.c: a program that integration tests run inside a container, of nothing but libc.
PROBES := $(patsubst tests/probes/%.c,$(OUT)/obj/probe_%,$(wildcard tests/probes/*.c))
$(OUT)/obj/probe_%: $(OUT)/obj/tests/probes/%.o
	$(Q)$(CC) $(STATIC_LDFLAGS) -o $@ $^

UNIT := $(patsubst tests/unit/%.c,$(OUT)/obj/%,$(UNIT_C))
UNIT_ASAN := $(patsubst tests/unit/%.c,$(OUT)/asan/%,$(UNIT_C))
UNIT_TSAN := $(patsubst tests/unit/%.c,$(OUT)/tsan/%,$(UNIT_C))

# --- sanitizers ---------------------------------------------------------------------------
# Dynamic, with the host's C library: the sanitizers' runtimes need it.
define sanitized
$(call objects,$(1),$(HOST)/.done,$(CC),$(HOST_CPPFLAGS) $(SAN_CFLAGS) $(2))
$(call variant,$(1),$(CC) -pthread $(2),-L$(HOST)/lib $(LDLIBS))
$(OUT)/$(1)/coracle: $(call objs,$(1),$(CORE_C) $(APPLET_C))
	$$(say) LINK $$@
	$$(Q)$(CC) -pthread $(2) -o $$@ $$^ -L$(HOST)/lib $(LDLIBS)
-include $(patsubst %.c,$(OUT)/$(1)/%.d,$(CORE_C) $(APPLET_C))
endef
ASAN := -fsanitize=address,undefined -fno-sanitize-recover=all
TSAN := -fsanitize=thread
$(eval $(call sanitized,asan,$(ASAN)))
$(eval $(call sanitized,tsan,$(TSAN)))

# --- fuzzing ------------------------------------------------------------------------------
# tests/fuzz/fuzz_NAME.c holds LLVMFuzzerTestOneInput; seeds lie in tests/fuzz/corpus/NAME.
FUZZ_C := $(sort $(wildcard tests/fuzz/fuzz_*.c))
FUZZ := $(patsubst tests/fuzz/%.c,$(OUT)/fuzz/%,$(FUZZ_C))
$(eval $(call objects,fuzz,$(HOST)/.done,$(CLANG),$(HOST_CPPFLAGS) -std=gnu11 -g -O1 -pthread -w \
	-fno-omit-frame-pointer $(ASAN) -fsanitize=fuzzer-no-link))
$(OUT)/fuzz/libcoracle.a: $(call objs,fuzz,$(LIB_C))
	@rm -f $@ && $(AR) rcsT $@ $^
$(OUT)/fuzz/fuzz_%: $(OUT)/fuzz/tests/fuzz/fuzz_%.o $(OUT)/fuzz/libcoracle.a
	$(say) LINK $@
	$(Q)$(CLANG) -pthread $(ASAN) -fsanitize=fuzzer -o $@ $^ -L$(HOST)/lib $(LDLIBS)
-include $(patsubst %.c,$(OUT)/fuzz/%.d,$(LIB_C) $(FUZZ_C))

# --- targets for people -------------------------------------------------------------------
.PHONY: asan tsan fuzz test test-quick test-unit test-asan test-tsan check check-headers check-static \
	analyze format run install docs dist image test-tools bench
asan: $(OUT)/asan/coracle
tsan: $(OUT)/tsan/coracle

test-unit: $(UNIT)
	@tests/run unit
test-asan: $(UNIT_ASAN) $(OUT)/asan/coracle
	@tests/run asan
test-tsan: $(UNIT_TSAN)
	@tests/run tsan
fuzz: $(FUZZ)
	@tests/run fuzz
check: all
	@tests/run static headers
check-static: all
	@tests/run static
check-headers: $(MUSL)/.done $(GEN)/version.h
	@tests/run headers

test-tools:
	@sh build/tools.sh build
	@sh build/tools.sh test
# The tools first, then all that is compiled, then the tests one after the other.
test: test-tools
	+@$(MAKE) $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc)) all $(UNIT) $(PROBES) $(UNIT_ASAN) $(OUT)/asan/coracle $(OUT)/tsan/coracle $(FUZZ)
	@tests/run $(TESTS)
test-quick: all $(UNIT) $(PROBES)
	@tests/run unit static headers quick

# Times and sizes, printed beside their goals; PEER_SOCKET=... adds a real engine and ratios.
BENCH := $(patsubst tests/bench/%.c,$(OUT)/obj/bench_%,$(wildcard tests/bench/*.c))
$(OUT)/obj/bench_%: $(OUT)/obj/tests/bench/%.o $(OUT)/obj/libcoracle.a
	$(Q)$(CC) $(STATIC_LDFLAGS) -o $@ $^ $(LDLIBS)
bench: all $(BENCH)
	@rm -f $(OUT)/bench.failed; for b in $(or $(BENCHES),tests/bench/*.sh); do \
		"$$b" || { echo "$$b" >$(OUT)/bench.failed; break; }; done | tee $(OUT)/bench.log; ! cat $(OUT)/bench.failed 2>/dev/null
	@python3 tests/bench/report.py $(OUT)/bench.log $(OUT)/bench.json $(OUT)/bench.svg

analyze: $(call objs,analyze,$(CORE_C) $(APPLET_C))
$(eval $(call objects,analyze,$(MUSL)/.done,$(CC),$(CPPFLAGS) $(STATIC_CFLAGS) -fanalyzer))

format:
	clang-format -i $(CORE_C) $(APPLET_C) $(shell find core applets tests -name '*.h') $(UNIT_C) $(FUZZ_C)

# The archive holds the commit, not the work tree, and every dependency's source.
DIST := coracle-$(VERSION)
dist:
	@sh build/tools.sh build
	+@$(MAKE) -f build/deps.mk fetch FLAVOUR=host PREFIX=$(OUT)/none CACHE='$(CACHE)' DEPS_MIRROR='$(DEPS_MIRROR)'
	@sh build/dist.sh $(DIST) $(CACHE) $(OUT)/$(DIST).tar.gz \
		$(foreach l,$(LIBS),$(l)-$($(l)_VERSION).tar $(foreach p,$($(l)_PATCHES),patches/$(firstword $(subst =, ,$(p)))))

# docker load -i build/out/image.tar
image: all
	@sh build/image.sh $(OUT)/coracle $(VERSION) $(OUT)/image.tar

# A copy first: what is installed must not share an inode with something a user can write.
PREFIX ?= /usr/local
SHARE = $(DESTDIR)$(PREFIX)/share
install: docs
	@install -d $(DESTDIR)$(PREFIX)/bin
	@install -m 755 $(OUT)/coracle $(DESTDIR)$(PREFIX)/bin/.coracle.new
	@mv -f $(DESTDIR)$(PREFIX)/bin/.coracle.new $(DESTDIR)$(PREFIX)/bin/coracle
	@$(DESTDIR)$(PREFIX)/bin/coracle --install $(INSTALL_FLAGS) $(DESTDIR)$(PREFIX)/bin
	@for f in $(OUT)/man/*; do install -D -m 644 $$f $(SHARE)/man/man$${f##*.}/$${f##*/}; done
	@install -D -m 644 $(OUT)/completion/bash $(SHARE)/bash-completion/completions/coracle
	@for n in $$($(OUT)/coracle --list); do ln -sf coracle $(SHARE)/bash-completion/completions/$$n; \
		install -D -m 644 $(OUT)/completion/fish $(SHARE)/fish/vendor_completions.d/coracle.fish; \
		ln -sf coracle.fish $(SHARE)/fish/vendor_completions.d/$$n.fish; done
	@install -D -m 644 $(OUT)/completion/zsh $(SHARE)/zsh/site-functions/_coracle

# Manual pages and completion, from what the program says of itself.
docs: all
	@sh build/man.sh $(OUT)/coracle $(VERSION) $(OUT)/man
	@sh build/completion.sh $(OUT)/coracle $(OUT)/completion

run:
	+@bash build/run.sh "$(MAKE)"

help:
	@sed -n 's/^#: //p' Makefile

#: make               build/out/coracle, the static program; coracle.debug beside it has symbols
#: make run           build, start the engine as an unprivileged user, run the built-in image, clean up
#: make test          install what the tests need (root) and run all; TESTS="unit fuzz" selects
#: make test-quick    unit tests, static checks, quick integration tests
#: make bench         measure; PEER_SOCKET=SOCKET of a real rootless Docker adds ratios; build/out/bench.json, .svg
#: make test-unit test-asan test-tsan   the unit tests, as shipped or with a sanitizer
#: make asan tsan     build/out/asan/coracle, build/out/tsan/coracle
#: make fuzz          every fuzz target for FUZZ_SECONDS (20)
#: make check         the binary is static and small, each header compiles alone
#: make analyze       gcc -fanalyzer over everything;  make format  clang-format over everything
#: make install       into DESTDIR PREFIX (/usr/local): bin with all links, manual pages, completion; INSTALL_FLAGS="-s -f"
#: make docs          build/out/man and build/out/completion, from the commands' own --help
#: make dist          build/out/coracle-VERSION.tar.gz, dependency sources inside
#: make image        build/out/image.tar, the engine for "docker load" and "docker run --privileged coracle:dind-rootless"
#: make clean         remove build/out;  make distclean  also build/deps and build/cache
#: Variables: CC DEPS DEPS_MIRROR CACHE WERROR=1 V=1, see config.mk
clean:
	rm -rf $(OUT)
distclean: clean
	rm -rf build/deps build/cache
