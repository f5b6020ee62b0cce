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
MAKEFLAGS += --no-builtin-rules --no-print-directory
ifeq (,$(filter -j% --jobserver%,$(MAKEFLAGS)))
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

CPPFLAGS := -D_GNU_SOURCE -Icore -Iapplets -I$(GEN)
BASE_CFLAGS := -std=gnu11 -g -pthread -pipe $(WARNINGS)
HARDEN := -fstack-protector-strong -fstack-clash-protection -ftrivial-auto-var-init=zero
LDLIBS := -lseccomp -lbearssl -lz -ljansson

# Static and not position-independent: no interpreter, no DYNAMIC section, no relocations to
# process before main, the same pages shared by every process of the engine.
STATIC_CFLAGS := -specs $(MUSL)/lib/musl-gcc.specs $(BASE_CFLAGS) -O2 $(HARDEN) -fno-pie -fno-plt \
	-ffunction-sections -fdata-sections -fcf-protection=none
STATIC_LDFLAGS := -specs $(MUSL)/lib/musl-gcc.specs -static -no-pie -pthread \
	-Wl,--gc-sections,-z,relro,-z,now,-z,noexecstack,--build-id=sha1
HOST_CPPFLAGS := $(CPPFLAGS) -I$(HOST)/include
SAN_CFLAGS := $(BASE_CFLAGS) -O1 -fno-omit-frame-pointer -fno-common

.PHONY: all help clean distclean FORCE
all: $(OUT)/coracle

# --- how a set of objects is made ---------------------------------------------------------
# objects DIR, DEPENDENCIES, COMPILER, FLAGS: OUT/DIR/**/%.o from **/%.c.  The flags are kept
# in a file whose change rebuilds that set, and only that.
define objects
$(OUT)/$(1)/.flags: FORCE
	@mkdir -p $$(@D); printf '%s\n' '$(3) $(4)' | cmp -s - $$@ || printf '%s\n' '$(3) $(4)' >$$@
$(OUT)/$(1)/%.o: %.c $(OUT)/$(1)/.flags | $(2) $(GEN)/version.h
	$$(say) CC '$$*.c'
	@mkdir -p $$(@D)
	$$(Q)$(3) $(4) -MMD -MP -c -o $$@ $$<
endef

objs = $(patsubst %.c,$(OUT)/$(1)/%.o,$(2))

$(eval $(call objects,obj,$(MUSL)/.done,$(CC),$(CPPFLAGS) $(STATIC_CFLAGS)))

FORCE:
$(GEN)/version.h: FORCE
	@mkdir -p $(@D); sh build/version.sh '$(VERSION)' $(foreach l,$(LIBS),'$(l) $($(l)_VERSION)') >$@.new; \
		if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi

# --- the program --------------------------------------------------------------------------
CORE_O := $(call objs,obj,$(CORE_C))
APPLET_O := $(call objs,obj,$(APPLET_C))

$(OUT)/libcore.a: $(CORE_O)
	@rm -f $@ && $(AR) rcsT $@ $^

$(OUT)/coracle.debug: $(CORE_O) $(APPLET_O)
	$(say) LINK $@
	$(Q)$(CC) $(STATIC_LDFLAGS) -o $@ $^ $(LDLIBS)

# By rename: a running engine keeps the file it was started from.
$(OUT)/coracle: $(OUT)/coracle.debug
	$(Q)$(STRIP) -o $@.new $< && mv -f $@.new $@

-include $(CORE_O:.o=.d) $(APPLET_O:.o=.d)

help:
	@sed -n 's/^#: //p' Makefile

#: make               build/out/coracle, the static program (build/out/coracle.debug has symbols)
#: make clean         remove build/out; make distclean also fetched and built dependencies
clean:
	rm -rf $(OUT)
distclean: clean
	rm -rf build/deps build/cache
