#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The same as 80-hostile-http, with the engine built with address and undefined behaviour sanitizers.
# test: together time=900
cd "$(dirname "$0")" || exit 1
CORACLE=$PWD/../../build/out/asan/coracle exec bash ./80-hostile-http.sh
