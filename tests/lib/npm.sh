# SPDX-License-Identifier: MIT
#
# tests/lib/npm.sh - packages of tests/clients/package.json
#
# Sourced.  npm_modules prints a directory whose node_modules has them; made once for each version of
# that file, below build/npm.
npm_modules() {
	local list=$top/tests/clients/package.json dir
	dir=$top/build/npm/$(sha256sum <"$list" | cut -c1-10)
	mkdir -p "$top/build/npm"
	(
		flock 9
		[ ! -e "$dir" ] || exit 0
		command -v npm >/dev/null || { echo "npm is not installed" >&2; exit 1; }
		rm -rf "$dir.new" && mkdir -p "$dir.new" && cp "$list" "$dir.new/" && cd "$dir.new" || exit 1
		npm install --ignore-scripts --no-audit --no-fund --no-package-lock >install.log 2>&1 ||
			{ tail -5 install.log >&2; exit 1; }
		chmod -R a+rX . && mv "$dir.new" "$dir"
	) 9>>"$top/build/npm/lock" || return 1
	echo "$dir"
}
