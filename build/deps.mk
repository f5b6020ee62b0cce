# SPDX-License-Identifier: MIT
#
# build/deps.mk - fetch, check, patch and build the dependencies as static libraries
#
# Run by the Makefile under a lock, once per flavour:
#   FLAVOUR=musl  musl itself first, then the libraries with it: what Coracle is linked with
#   FLAVOUR=host  the libraries with the host's C library: for the sanitizers and fuzzers
# Everything ends up below PREFIX: src/ obj/ include/ lib/.  PREFIX/.done marks it whole.
#
# The libraries are compiled straight from their sources: none needs more configuration than
# the few lines below, and four configure scripts would take longer than the compiler does.
include config.mk

.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

SRC := $(PREFIX)/src
OBJ := $(PREFIX)/obj
INC := $(PREFIX)/include
LIB := $(PREFIX)/lib

seccomp_DIR := $(SRC)/libseccomp
bearssl_DIR := $(SRC)/bearssl
z_DIR := $(SRC)/zlib
isal_DIR := $(SRC)/libisal
zstd_DIR := $(SRC)/zstd
jansson_DIR := $(SRC)/jansson

COMMON_CFLAGS := -O2 -g1 -pipe -ffunction-sections -fdata-sections -fstack-protector-strong \
	-fstack-clash-protection -w -ffile-prefix-map=$(PREFIX)=deps
ifeq ($(FLAVOUR),musl)
SPECS := -specs $(LIB)/musl-gcc.specs
COMMON_CFLAGS += -fno-pie -fno-plt -fcf-protection=none
else
SPECS :=
COMMON_CFLAGS += -fPIC
endif

all: $(PREFIX)/.done

# --- sources ------------------------------------------------------------------------------
# NAME.tar in the cache stands for any compression: tar finds out by itself.
define manifest_lines
source $(1)-$($(1)_VERSION).tar $($(1)_SHA256) $($(1)_URL) $($(1)_DEB) $($(1)_DEB_FILE) $($(1)_DEB_SHA256)
$(foreach p,$($(1)_PATCHES),$(call patch_line,$(1),$(subst =, ,$(p))))
endef
patch_line = patch $(word 1,$(2)) $(word 2,$(2)) $(PATCH_URL)/$(call pool,$($(1)_DEB))/$($(1)_DEB)/$(call \
	noepoch,$($(1)_DEB_VERSION))/debian/patches/$(word 1,$(2)) $($(1)_DEB) - -$(newline)
define newline


endef
noepoch = $(lastword $(subst :, ,$(1)))
pool = $(if $(filter lib%,$(1)),$(shell printf %.4s $(1)),$(shell printf %.1s $(1)))

define manifest
$(foreach l,$(1),$(call manifest_lines,$(l))
)
endef

.PHONY: all fetch manifest
# The list of all files, for fetch and for make dist.
fetch: export MANIFEST = $(call manifest,$(LIBS))
fetch:
	@mkdir -p $(CACHE) && printf '%s\n' "$$MANIFEST" | sed 's/^ *//; /^$$/d' >$(CACHE)/.manifest.$$$$ && \
		DEPS_MIRROR='$(DEPS_MIRROR)' DEBIAN_SUITE='$(DEBIAN_SUITE)' \
		sh build/fetch.sh $(CACHE)/.manifest.$$$$ $(CACHE); s=$$?; rm -f $(CACHE)/.manifest.$$$$; exit $$s

# Unpack NAME and apply its patches: $(SRC)/NAME/.ready
define unpack
$(SRC)/$(1)/.ready: | fetch
	@rm -rf $(SRC)/$(1) && mkdir -p $(SRC)/$(1)
	@tar -xf $(CACHE)/$(1)-$($(1)_VERSION).tar --strip-components=1 --no-same-owner -C $(SRC)/$(1)
	@set -e; for p in $(foreach p,$($(1)_PATCHES),$(firstword $(subst =, ,$(p)))); do \
		patch -d $(SRC)/$(1) -p1 -s <$(CACHE)/patches/$$$$p; done
	@touch $$@
endef
$(foreach l,$(LIBS),$(eval $(call unpack,$(l))))

# --- musl ---------------------------------------------------------------------------------
# Its own Makefile, quietly; then the kernel's headers beside its own, as they are not musl's
# business: links, so that they stay those of the machine.
ifeq ($(FLAVOUR),musl)
LIBC := $(LIB)/.musl
MULTIARCH := $(shell $(CC) -print-multiarch 2>/dev/null)
MUSL_CFLAGS := -O2 -pipe -w -g1 -fno-pie -fcf-protection=none -ffile-prefix-map=$(PREFIX)=deps
$(LIBC): $(SRC)/musl/.ready
	@echo "  DEP     musl $(musl_VERSION)"
	@cd $(SRC)/musl && ./configure --disable-shared --prefix=$(PREFIX) --syslibdir=$(LIB) \
		--enable-wrapper=gcc CC='$(CC)' CFLAGS='$(MUSL_CFLAGS)' >config.log 2>&1 || \
		{ tail -n 5 config.log >&2; exit 1; }
	@$(MAKE) -s -C $(SRC)/musl >/dev/null
	@$(MAKE) -s -C $(SRC)/musl install >/dev/null
	@for d in linux asm-generic asm; do \
		for at in /usr/include/$(MULTIARCH)/$$d /usr/include/$$d; do \
			[ -d $$at ] && ln -sfn $$at $(INC)/$$d && break; done || \
		{ echo "deps: the kernel's headers are missing: apt-get install linux-libc-dev" >&2; exit 1; }; done
	@touch $@
else
LIBC :=
endif

# --- the libraries ------------------------------------------------------------------------
# lib NAME, DIR, SOURCES (relative to DIR), FLAGS, HEADERS (relative to DIR), extra prerequisites
define lib
$(LIB)/lib$(1).a: $($(1)_DIR)/.ready $(5) $(LIBC)
	@echo "  DEP     $(1)"
	@mkdir -p $(LIB) $(INC) && cp $(addprefix $($(1)_DIR)/,$(4)) $(INC)/
	@$$(MAKE) -f build/deps.mk FLAVOUR=$(FLAVOUR) PREFIX=$(PREFIX) archive NAME=$(1) \
		DIR=$($(1)_DIR) GLOB='$(2)' FLAGS='$(3)'
endef
$(eval $(call lib,seccomp,src/api.c src/system.c src/helper.c src/hash.c src/db.c src/arch.c \
	src/arch-*.c src/gen_*.c src/syscalls.c src/syscalls.perf.c,\
	-I$(seccomp_DIR)/include -DHAVE_LINUX_SECCOMP_H=1 -D_GNU_SOURCE,\
	include/seccomp.h include/seccomp-syscalls.h,$(seccomp_DIR)/configure.h))
$(eval $(call lib,bearssl,src/*.c src/*/*.c,-I$(bearssl_DIR)/src -I$(bearssl_DIR)/inc -O3,inc/*.h))
$(eval $(call lib,z,adler32.c compress.c crc32.c deflate.c infback.c inffast.c inflate.c inftrees.c \
	trees.c uncompr.c zutil.c,-O3 -DHAVE_UNISTD_H=1 -DHAVE_HIDDEN=1 -D_LARGEFILE64_SOURCE=1,zlib.h zconf.h))
# What x86-64 has in assembly, other processors have in C.
ISAL_C := $(addprefix igzip/,igzip.c hufftables_c.c igzip_base.c igzip_icf_base.c adler32_base.c flatten_ll.c encode_df.c \
	igzip_icf_body.c huff_codes.c igzip_inflate.c) crc/crc_base.c
ifeq ($(filter x86_64%,$(shell $(CC) -dumpmachine)),)
ISAL_C += igzip/igzip_base_aliases.c igzip/proc_heap_base.c crc/crc_base_aliases.c
else
ISAL_C += $(addprefix igzip/,igzip_body.asm igzip_finish.asm igzip_icf_body_h1_gr_bt.asm igzip_icf_finish.asm \
	rfc1951_lookup.asm adler32_sse.asm adler32_avx2_4.asm igzip_multibinary.asm igzip_update_histogram_0?.asm \
	igzip_decode_block_stateless_0?.asm igzip_inflate_multibinary.asm encode_df_0?.asm proc_heap.asm \
	igzip_deflate_hash.asm igzip_gen_icf_map_lh1_0?.asm igzip_set_long_icf_fg_0?.asm) \
	crc/crc_multibinary.asm crc/crc16_*_0?.asm crc/crc16_*by4.asm crc/crc16_*_10.asm crc/crc32_*_0?.asm \
	crc/crc32_*by[48].asm crc/crc32_*_10.asm
endif
$(eval $(call lib,isal,$(ISAL_C),-I$(isal_DIR)/include/ -I$(isal_DIR)/igzip/ -I$(isal_DIR)/crc/,include/igzip_lib.h include/crc.h))
$(eval $(call lib,zstd,lib/common/debug.c lib/common/entropy_common.c lib/common/error_private.c \
	lib/common/fse_decompress.c lib/common/xxhash.c lib/common/zstd_common.c lib/decompress/*.c,\
	-O3 -DZSTD_DISABLE_ASM=1 -DZSTD_LEGACY_SUPPORT=0 -DZSTD_NO_TRACE=1 -DXXH_NAMESPACE=ZSTD_,lib/zstd.h lib/zstd_errors.h))
$(eval $(call lib,jansson,src/*.c,-DHAVE_CONFIG_H=1 -I$(jansson_DIR)/src,src/jansson.h src/jansson_config.h,\
	$(jansson_DIR)/src/jansson_config.h $(jansson_DIR)/src/jansson_private_config.h))

$(seccomp_DIR)/configure.h: $(seccomp_DIR)/.ready
	@printf '#define HAVE_LINUX_SECCOMP_H 1\n' >$@

JANSSON_HAVE := STDINT_H SYS_TYPES_H SYS_PARAM_H SYS_TIME_H SYS_STAT_H UNISTD_H FCNTL_H ENDIAN_H \
	LOCALE_H SETLOCALE SCHED_YIELD SCHED_H OPEN CLOSE READ GETPID GETTIMEOFDAY ATOMIC_BUILTINS \
	SYNC_BUILTINS
$(jansson_DIR)/src/jansson_private_config.h: $(jansson_DIR)/.ready
	@{ printf '#define HAVE_%s 1\n' $(JANSSON_HAVE); \
		printf '#define USE_URANDOM 1\n#define INITIAL_HASHTABLE_ORDER 3\n'; } >$@

# Nesting deeper than this is refused: a parser that recurses must not eat a thread's stack.
$(jansson_DIR)/src/jansson_config.h: $(jansson_DIR)/.ready
	@sed -e 's/@json_inline@/inline/; s/@json_[a-z_]*@/1/; s/^\(#define JSON_PARSER_MAX_DEPTH\).*/\1 256/' \
		$@.in >$@
	@grep -q 'MAX_DEPTH 256' $@

# The second run of make, for one library: its sources are there now and can be listed.
ifneq ($(NAME),)
ARCHIVE_C := $(filter-out src/arch-syscall-dump.c,$(shell cd $(DIR) && ls $(GLOB)))
ARCHIVE_O := $(addprefix $(OBJ)/$(NAME)/,$(addsuffix .o,$(basename $(ARCHIVE_C))))
archive: $(LIB)/lib$(NAME).a.new
	@mv $< $(LIB)/lib$(NAME).a
$(LIB)/lib$(NAME).a.new: $(ARCHIVE_O)
	@rm -f $@ && $(AR) rcs $@ $(ARCHIVE_O)
$(OBJ)/$(NAME)/%.o: $(DIR)/%.c
	@mkdir -p $(@D)
	@$(CC) $(SPECS) $(COMMON_CFLAGS) $(FLAGS) -I$(DIR) -I$(INC) -c -o $@ $<
$(OBJ)/$(NAME)/%.o: $(DIR)/%.asm
	@mkdir -p $(@D)
	@nasm -f elf64 $(FLAGS) -o $@ $<
endif

$(PREFIX)/.done: $(LIB)/libseccomp.a $(LIB)/libbearssl.a $(LIB)/libz.a $(LIB)/libisal.a $(LIB)/libzstd.a $(LIB)/libjansson.a
	@rm -rf $(OBJ)
	@touch $@
