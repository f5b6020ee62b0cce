# SPDX-License-Identifier: MIT
#
# config.mk - what Coracle is built from, and with what
#
# Every value may be overridden on make's command line; CC, DEPS, DEPS_MIRROR and FUZZ_SECONDS
# also come from the environment.

VERSION = 0.1.0

# --- tools --------------------------------------------------------------------------------
# The host's compiler; musl's specs file turns it into one for musl (see build/deps.mk).
ifeq ($(origin CC),default)
CC = gcc
endif
CLANG ?= clang
STRIP ?= strip

# Where built dependencies live.  Each set is in a directory whose name holds a digest of
# this file, of the rules and of the compiler, so several worktrees can share one place.
DEPS ?= build/deps

# Where dependency sources are kept once fetched, and a directory to look in before the network.
CACHE ?= build/cache
DEPS_MIRROR ?=

# --- dependencies -------------------------------------------------------------------------
# For each: VERSION, URL and SHA256 of the upstream release; DEB, DEB_FILE and DEB_SHA256 of
# the Debian source package and its tarball (Debian repacks some: then the hashes differ);
# PATCHES, applied in order, each NAME=SHA256 of a file in that package's debian/patches.
# A patch is pinned by itself, so any Debian revision that carries it will do.
#
# The order of places tried is CACHE, DEPS_MIRROR, the Debian suite, the upstream URL.
DEBIAN_SUITE = trixie
# A patch that Debian no longer serves is looked for here: PATCH_URL/SOURCE/VERSION/debian/patches
PATCH_URL = https://sources.debian.org/data/main

LIBS = musl libseccomp bearssl zlib libisal zstd jansson

# musl: the C library.  Links statically without surprises (no NSS, no dlopen, no locale
# files), starts in well under a millisecond, and costs 600 KB where glibc takes 2 MB.
musl_VERSION = 1.2.5
musl_URL = https://musl.libc.org/releases/musl-1.2.5.tar.gz
musl_SHA256 = a9a118bbe84d8764da0ea0d28b3ab3fae8477fc7e4085d90102b8596fc7c75e4
musl_DEB = musl
musl_DEB_VERSION = 1.2.5-3.1~deb13u1
musl_DEB_FILE = musl_1.2.5.orig.tar.gz
musl_DEB_SHA256 = $(musl_SHA256)
# CVE-2025-26519 (iconv), a quadratic iconv decoder, CVE-2026-40200 (qsort)
musl_PATCHES = \
	CVE-2025-26519-0001_iconv_fix_erroneous_input_validation_in_EUC_KR_decod.patch=19f9e36002c9680da1dd480035dfcca6610d13d9b9e5ca1a6783bedc049b99b0 \
	CVE-2025-26519-0002_iconv_harden_UTF_8_output_code_path_against_input_de.patch=70e9d5f98dae49b0b3dd180b4a0bd2f222acda3e58b9b4bf00b25b0d592339dd \
	0001-fix-pathological-slowness-incorrect-mappings-in-icon.patch=313e78e290eae305ca0fbfc384f785e60502e4c70c1166f67d7e9dda1442ae75 \
	0002-qsort-fix-leonardo-heap-corruption-from-bug-in-doubl.patch=495ede3d85132d47ae50686679f6b754f4f1fe69eb5170510164d93603cdefbc

# libseccomp: system call names, numbers and filters for every architecture.  2.6 knows the
# calls of Linux 6.13; Docker's default profile names several that 2.5.4 does not have.
libseccomp_VERSION = 2.6.0
libseccomp_URL = https://github.com/seccomp/libseccomp/releases/download/v2.6.0/libseccomp-2.6.0.tar.gz
libseccomp_SHA256 = 83b6085232d1588c379dc9b9cae47bb37407cf262e6e74993c61ba72d2a784dc
libseccomp_DEB = libseccomp
libseccomp_DEB_VERSION = 2.6.0-2
libseccomp_DEB_FILE = libseccomp_2.6.0.orig.tar.gz
libseccomp_DEB_SHA256 = $(libseccomp_SHA256)
# an out-of-bounds read in seccomp_export_bpf_mem; undefined aliasing in its hash
libseccomp_PATCHES = \
	api_fix_seccomp_export_bpf_mem_out-of-bounds_read.patch=937d0a695fb3b27d6c5b292c75dac2897508e84aa995d79ff82497c7c1d3dd58 \
	hash_fix_strict_aliasing_UB_in_MurMur_hash_implementation.patch=51dc2c1c7eca419353ecbb79ce93f1ab16faaa91a371995292515e9d0042a0bb

# BearSSL: TLS to registries and X.509.  Constant-time by default, no allocation, and the
# linker takes only what is used of it.
bearssl_VERSION = 0.6
bearssl_URL = https://bearssl.org/bearssl-0.6.tar.gz
bearssl_SHA256 = 6705bba1714961b41a728dfc5debbe348d2966c117649392f8c8139efc83ff14
bearssl_DEB = bearssl
bearssl_DEB_VERSION = 0.6+dfsg.1-4
bearssl_DEB_FILE = bearssl_0.6+dfsg.1.orig.tar.xz
bearssl_DEB_SHA256 = 102a625bd8f6155260867a50c508df8d8c3f796985dd744df1a68e5cd1a79004
bearssl_PATCHES =

# zlib: what is compressed in small pieces and by the way (recipes of layers, rotated logs).
zlib_VERSION = 1.3.1
zlib_URL = https://zlib.net/fossils/zlib-1.3.1.tar.gz
zlib_SHA256 = 9a93b2b7dfdac77ceba5a558a580e74667dd6fede4585b91eefb60f03b72df23
zlib_DEB = zlib
zlib_DEB_VERSION = 1:1.3.dfsg+really1.3.1-1
zlib_DEB_FILE = zlib_1.3.dfsg+really1.3.1.orig.tar.gz
zlib_DEB_SHA256 = 60dd315c07f616887caa029408308a018ace66e3d142726a97db164b3b8f69fb
zlib_PATCHES =

# ISA-L: layers are gzip, and inflating is what a pull waits for, compressing what a push waits for.  Measured on
# 200 MB of programs: inflates in 0.25 s where zlib takes 0.52, compresses in 0.43 s where zlib's level 1 takes
# 1.88 for the same size.  Assembly for x86-64 (nasm), chosen by what the CPU has; C elsewhere.  150 KB of the program.
libisal_VERSION = 2.31.1
libisal_URL = https://github.com/intel/isa-l/archive/refs/tags/v2.31.1.tar.gz
libisal_SHA256 = e1d5573a4019738243b568ab1e1422e6ab7557c5cae33cc8686944d327ad6bb4
libisal_DEB = libisal
libisal_DEB_VERSION = 2.31.1-1.1
libisal_DEB_FILE = libisal_2.31.1.orig.tar.gz
libisal_DEB_SHA256 = $(libisal_SHA256)
libisal_PATCHES =

# zstd: layers that newer builders compress with it; only its decoder is built (90 KB of the program).
# Debian takes some tests out of the archive.
zstd_VERSION = 1.5.7
zstd_URL = https://github.com/facebook/zstd/releases/download/v1.5.7/zstd-1.5.7.tar.gz
zstd_SHA256 = eb33e51f49a15e023950cd7825ca74a4a2b43db8354825ac24fc1b7ee09e6fa3
zstd_DEB = libzstd
zstd_DEB_VERSION = 1.5.7+dfsg-1
zstd_DEB_FILE = libzstd_1.5.7+dfsg.orig.tar.xz
zstd_DEB_SHA256 = 0c092ef267edce57ba7f3f2645c861f72eaf5e76273c6c3632869423464b90a5
zstd_PATCHES =

# jansson: JSON of the API, of manifests and of our own state files.
jansson_VERSION = 2.14
jansson_URL = https://github.com/akheron/jansson/archive/v2.14.tar.gz
jansson_SHA256 = c739578bf6b764aa0752db9a2fdadcfe921c78f1228c7ec0bb47fa804c55d17b
jansson_DEB = jansson
jansson_DEB_VERSION = 2.14-2
jansson_DEB_FILE = jansson_2.14.orig.tar.gz
jansson_DEB_SHA256 = $(jansson_SHA256)
jansson_PATCHES =
