#!/bin/bash
# SPDX-License-Identifier: MIT
#
# docker pull against registries of every temper: the stock CLI, our engine, and a registry that
# breaks off, lies, redirects and refuses on demand (tests/lib/fake_registry.py).  What Docker
# prints in each case is what is expected here.
# test: together
. "$(dirname "$0")/lib.sh"

content=$TEST_TMP/content
# registry NAME [OPTION...]: start one; $address is where
registry() {
	local name=$1 pid ready=$TEST_TMP/$1.ready
	shift
	mkfifo "$ready.fifo"
	python3 "$top/tests/lib/fake_registry.py" --root "$content" --ready "$ready" --told "$ready.fifo" "$@" \
		>"$TEST_TMP/$name.log" 2>&1 </dev/null &
	pid=$!
	at_exit "kill $pid 2>/dev/null"
	read -r address <"$ready.fifo" || { not_ok "registry $name" "$(tail -3 "$TEST_TMP/$name.log")"; return 1; }
}
scheme=http
control() { curl -sk -X POST -o /dev/null -d "${3:-}" "$scheme://$1/$2"; }
fault() { control "$1" _fault "$2"; } # ADDRESS JSON
clear_faults() { control "$1" _clear; }
requests() { curl -sk "$scheme://$1/_log" | python3 -c 'import json, sys
for r in json.load(sys.stdin): print(r["method"], r["path"], r["headers"].get("Authorization", "-"))'; }
inside() { as_user unshare --user --map-root-user --map-auto "$@" 2>&1; }
tmp_is_empty() { [ -z "$(inside ls -A "$test_home/.local/share/docker/tmp")" ]; }
# What must be true after a pull that failed: no image, nothing half-made, and the engine answers.
nothing_left() { # NAME REF
	check_fails "$1: no image" docker image inspect "$2"
	check "$1: nothing in tmp" until_true tmp_is_empty
	check "$1: the engine lives" docker version
}

# --- content --------------------------------------------------------------------------------------
python3 "$top/tests/lib/images.py" "$content" >/dev/null <<END || exit 1
t/app 1 --layer a=app --layer b=1
t/app 2 --layer a=app --layer b=2
t/big 1 --layer x=big --big 8
t/four 1 --layer a=4a --layer b=4b --layer c=4c --layer d=4d
t/oci 1 --oci --layer o=oci
t/plain 1 --plain --layer p=plain
t/index 1 --index --oci --layer i=index
t/twice 1 --layer t=twice --layer u=between --layer t=twice
t/secret 1 --layer s=secret
library/mirrored 1 --layer m=mirrored
t/bad nested --index --break nested --layer n=nested
$(for b in diffid layercount configdigest mediatype configtype schema1 foreign os bigconfig notjson artifact size; do
	echo "t/bad $b --break $b --layer n=$b"
done)
END
registry plain && plain=$address || exit 1
registry basic --auth basic && basic=$address || exit 1
registry bearer --auth bearer && bearer=$address || exit 1

as_user mkdir -p "$test_home/.config/docker" "$test_home/.docker"
write() { as_user sh -c "cat >'$1'"; } # PATH, from stdin
write "$test_home/.config/docker/daemon.json" <<END
{"registry-mirrors": ["http://127.0.0.1:1", "http://$plain"]}
END
engine_start || exit 1

# --- what the user sees ------------------------------------------------------------------------------
digest() { sha256sum "$content/manifests/$1" | cut -d' ' -f1; }
short() { # REPO/TAG N: the id of its Nth layer as progress shows it
	python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["layers"][int(sys.argv[2])]["digest"][7:19])' "$content/manifests/$1" "$2"
}
first=$(short t/app/1 0)
said=$(docker pull "$plain/t/app:1" 2>&1)
check_out "pull: first line" "1: Pulling from t/app" head -1 <(echo "$said")
for line in "$first: Pulling fs layer" "$first: Verifying Checksum" "$first: Download complete" "$first: Pull complete" \
	"Digest: sha256:$(digest t/app/1)" "Status: Downloaded newer image for $plain/t/app:1"; do
	check "pull: says $line" grep -qxF "$line" <(echo "$said")
done
check_out "pull: last line" "$plain/t/app:1" tail -1 <(echo "$said")
check_out "pull again" "1: Pulling from t/app
Digest: sha256:$(digest t/app/1)
Status: Image is up to date for $plain/t/app:1
$plain/t/app:1" docker pull "$plain/t/app:1"
check_has "pull a second tag: shared layer" "$first: Already exists" docker pull "$plain/t/app:2"
check_out "pull by digest: known" "$plain/t/app@sha256:$(digest t/app/1): Pulling from t/app
Digest: sha256:$(digest t/app/1)
Status: Image is up to date for $plain/t/app@sha256:$(digest t/app/1)
$plain/t/app@sha256:$(digest t/app/1)" docker pull "$plain/t/app@sha256:$(digest t/app/1)"
check_has "pull by tag and digest: the digest counts" "Digest: sha256:$(digest t/app/1)" docker pull "$plain/t/app:2@sha256:$(digest t/app/1)"
check_out "pull all tags" "1: Pulling from t/app
Digest: sha256:$(digest t/app/1)
2: Pulling from t/app
Digest: sha256:$(digest t/app/2)
Status: Image is up to date for $plain/t/app
$plain/t/app" docker pull -a "$plain/t/app"
check_out "pull --quiet" "$plain/t/oci:1" docker pull -q "$plain/t/oci:1"
check_out "pull: repo digest" "$plain/t/app@sha256:$(digest t/app/1)" \
	docker image inspect -f '{{index .RepoDigests 0}}' "$plain/t/app:1"
check "pull: layers that are not compressed" docker pull "$plain/t/plain:1"
check "pull: one layer twice" docker pull "$plain/t/twice:1"
check_out "pull: one layer twice: three layers" 3 docker image inspect -f '{{len .RootFS.Layers}}' "$plain/t/twice:1"
check_out "pull: no tag given" "Using default tag: latest
Error response from daemon: manifest for $plain/t/app:latest not found: manifest unknown: manifest unknown" \
	docker pull "$plain/t/app"

# An up-to-date image costs one HEAD, which registries do not count as a pull.
clear_faults "$plain"
docker pull -q "$plain/t/app:1" >/dev/null
check_out "pull again: requests" "GET /v2/ -
HEAD /v2/t/app/manifests/1 -" requests "$plain"

# --- platforms ---------------------------------------------------------------------------------------
check "pull: an index" docker pull "$plain/t/index:1"
check_out "pull: an index: our platform" amd64 docker image inspect -f '{{.Architecture}}' "$plain/t/index:1"
check "pull: another platform" docker pull --platform linux/arm64 "$plain/t/index:1"
check_out "pull: another platform: its image" arm64 docker image inspect -f '{{.Architecture}}' "$plain/t/index:1"
check_has "pull: a platform that is not there" "no matching manifest for linux/s390x in the manifest list entries" \
	docker pull --platform linux/s390x "$plain/t/index:1"

# --- images that are none -----------------------------------------------------------------------------
refused() { # TAG TEXT
	check_has "refused: $1" "$2" docker pull "$plain/t/bad:$1"
	check_fails "refused: $1: no image" docker image inspect "$plain/t/bad:$1"
}
refused diffid "layers from manifest don't match image configuration"
refused layercount "layers from manifest don't match image configuration"
refused configdigest "error pulling image configuration: image config verification failed for digest sha256:"
refused mediatype "unsupported media type application/x-strange"
refused configtype 'Encountered remote "application/vnd.docker.plugin.v1+json"(plugin) when fetching'
refused artifact 'Encountered remote "application/vnd.example+json"(unknown) when fetching'
refused schema1 "Docker Image manifest version 2, schema 1 support has been removed"
refused foreign "is a foreign layer"
refused os 'image operating system "windows" cannot be used on this platform'
refused bigconfig "is larger than the 8388608 allowed"
refused notjson "bad JSON"
refused size "where the manifest promises"
refused nested "nested more than 4 deep"
refused none "manifest for $plain/t/bad:none not found: manifest unknown: manifest unknown"
check "refused: nothing in tmp" until_true tmp_is_empty
check_has "nobody there" 'Get "http://127.0.0.1:1/v2/": dial tcp 127.0.0.1:1: connect: connection refused' \
	docker pull 127.0.0.1:1/x/y:1
check_has "no such host" "no such host" docker pull nowhere.invalid/x/y:1

# What is kept of blobs that did not come to their end, and what is asked for then.
asked() { # DIGEST: the ranges of the requests for it, since the log had $seen lines
	curl -s "http://$plain/_log" | python3 -c 'import json, sys
for r in json.load(sys.stdin)[int(sys.argv[2]):]:
    if r["method"] == "GET" and sys.argv[1] in r["path"]:
        print({k.lower(): v for k, v in r["headers"].items()}.get("range", "all"))' "$1" "$seen"
}
log_length() { curl -s "http://$plain/_log" | python3 -c 'import json, sys; print(len(json.load(sys.stdin)))'; }
partial=$test_home/.local/share/docker/partial
partial_size() { inside stat -c %s "$partial/${1#sha256:}" 2>/dev/null || echo 0; }
kept_is() { [ "$(partial_size "$1")" = "$2" ]; }

# --- trouble on the way, and recovery --------------------------------------------------------------------
big=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["layers"][1]["digest"])' "$content/manifests/t/big/1")
forget() { docker image rm -f "$plain/t/big:1" >/dev/null 2>&1; }
recovers() { # NAME FAULT
	forget
	clear_faults "$plain"
	fault "$plain" "$2"
	check "recovers: $1" docker pull "$plain/t/big:1"
}
fails() { # NAME TEXT FAULT
	forget
	clear_faults "$plain"
	fault "$plain" "$3"
	check_has "fails: $1" "$2" docker pull "$plain/t/big:1"
	nothing_left "fails: $1" "$plain/t/big:1"
}
recovers "reset in the middle" '{"path": "'$big'", "kind": "reset", "after": 3000000}'
recovers "closed in the middle" '{"path": "'$big'", "kind": "close", "after": 3000000}'
check "recovers: with a range" grep -q . <(curl -s "http://$plain/_log" | grep -F '"Range": "bytes=3000000-"')
recovers "500 once" '{"path": "'$big'", "kind": "status", "status": 500}'
recovers "chunked" '{"path": "'$big'", "kind": "chunked"}'
recovers "until close" '{"path": "'$big'", "kind": "nolength"}'
recovers "redirected" '{"path": "'$big'", "kind": "redirect", "to": "http://'$bearer'/plain/'$big'"}'
recovers "no digest header" '{"path": "manifests/1", "kind": "nodigest", "times": 2}'
fails "wrong bytes" "filesystem layer verification failed for digest $big" '{"path": "'$big'", "kind": "corrupt", "after": 4000000}'
fails "too long" "where the manifest promises" '{"path": "'$big'", "kind": "extra"}'
fails "too short" "where the manifest promises" '{"path": "'$big'", "kind": "short", "after": 1000}'
fails "not there" "unknown blob" '{"path": "'$big'", "kind": "status", "status": 404, "times": 9}'
fails "refused" "denied" '{"path": "'$big'", "kind": "status", "status": 403, "times": 9}'
fails "manifest changed" "manifest verification failed" '{"path": "manifests/sha256", "kind": "corrupt", "times": 9}'
fails "500 for manifests" "received unexpected HTTP status: 500" '{"path": "manifests", "kind": "status", "status": 500, "times": 9}'
fails "no HTTP" 'malformed HTTP response "hello"' '{"path": "manifests", "kind": "raw", "raw": "hello\r\n\r\n", "times": 9}'
fails "endless headers" "server response headers exceeded 65536 bytes" '{"path": "manifests", "kind": "headers", "times": 9}'
fails "redirected in circles" "stopped after 10 redirects" '{"path": "manifests", "kind": "loop", "times": 99}'

# The client goes away while the registry is silent: the worker ends, and takes its drafts along.
forget
clear_faults "$plain"
fault "$plain" '{"path": "'$big'", "kind": "stall", "after": 3000000}'
docker pull "$plain/t/big:1" >"$TEST_TMP/pull.out" 2>&1 &
pull=$!
asked_for() { requests "$plain" | grep -q "$big"; }
check "cancel: the download began" until_true asked_for
check "cancel: some of it has come" until_true kept_is "$big" 3000000
worker=$(our_pids :worker)
check "cancel: there is a worker" test -n "$worker"
peak=$(awk '/^VmHWM/ { print $2 }' "/proc/$worker/status" 2>/dev/null)
check "cancel: it is small (${peak:-?} kB)" test "${peak:-99999}" -le 16384
cli=$(pgrep -u "$test_uid" -f "$plain/t/big:1" | tail -1)
kill -INT "$cli" 2>/dev/null
wait "$pull"
check "cancel: the worker ends" wait_gone ${worker:-0}
check "cancel: nothing in tmp" until_true tmp_is_empty
clear_faults "$plain"
seen=0
check "cancel: the next pull" docker pull "$plain/t/big:1"
check_out "cancel: it asks for the rest" "bytes=3000000-" asked "$big"

# Two images that stand on the same layer, pulled at the same time: it is fetched once.
shared=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["layers"][0]["digest"])' "$content/manifests/t/app/1")
fetched() { requests "$plain" | grep -c "GET.*blobs/$shared"; }
docker rmi -f "$plain/t/app:1" "$plain/t/app:2" >/dev/null
clear_faults "$plain"
before=$(fetched)
fault "$plain" '{"path": "'$shared'", "kind": "delay", "seconds": 1, "times": 9}'
docker pull -q "$plain/t/app:1" >"$TEST_TMP/one.out" 2>&1 &
one=$!
docker pull -q "$plain/t/app:2" >"$TEST_TMP/two.out" 2>&1
wait "$one"
check_out "shared layer: the one pull" "$plain/t/app:1" cat "$TEST_TMP/one.out"
check_out "shared layer: the other" "$plain/t/app:2" cat "$TEST_TMP/two.out"
check_out "shared layer: fetched once" 1 expr "$(fetched)" - "$before"
check "shared layer: both images are whole" docker save -o "$test_home/both.tar" "$plain/t/app:1" "$plain/t/app:2"
# Who waits for another's layer takes over when that one is cancelled.
docker rmi -f "$plain/t/app:1" "$plain/t/app:2" >/dev/null
clear_faults "$plain"
before=$(fetched)
fault "$plain" '{"path": "'$shared'", "kind": "stall", "after": 100}'
docker pull -q "$plain/t/app:1" >"$TEST_TMP/one.out" 2>&1 &
one=$!
more() { [ "$(fetched)" -gt "$before" ]; }
until_true more
docker pull -q "$plain/t/app:2" >"$TEST_TMP/two.out" 2>&1 &
two=$!
kill -INT "$(pgrep -u "$test_uid" -f "$plain/t/app:1" | tail -1)"
wait "$one"
wait "$two"
check_out "shared layer: taken over" "$plain/t/app:2" cat "$TEST_TMP/two.out"
clear_faults "$plain"

# The engine dies in the middle: the next pull goes on from the layers that were whole.
forget
fault "$plain" '{"path": "'$big'", "kind": "stall", "after": 3000000}'
layer_count() { inside ls "$test_home/.local/share/docker/overlay2/layers" | wc -l; }
before=$(layer_count)
docker pull "$plain/t/big:1" >"$TEST_TMP/pull.out" 2>&1 &
pull=$!
one_more() { [ "$(layer_count)" -gt "$before" ]; }
check "killed: a layer was whole" until_true one_more
engine_kill "$engine_pid" $(our_pids :engine) $(our_pids :worker)
wait "$pull"
clear_faults "$plain"
engine_start || exit 1
check "killed: nothing in tmp" until_true tmp_is_empty
said=$(docker pull "$plain/t/big:1" 2>&1)
check_has "killed: it is not fetched again" "$(short t/big/1 0): Already exists" echo "$said"
check_has "killed: the rest is" "$(short t/big/1 1): Pull complete" echo "$said"
# kill_at DIGEST SIZE: pull t/big:1 until that much of the blob is kept, and kill all that does it.
kill_at() {
	docker pull "$plain/t/big:1" >"$TEST_TMP/pull.out" 2>&1 &
	pull=$!
	check "killed: $2 bytes have come" until_true kept_is "$1" "$2"
	engine_kill "$engine_pid" $(our_pids :engine) $(our_pids :worker)
	wait "$pull"
	clear_faults "$plain"
	engine_start || exit 1
	seen=$(log_length)
}
check_out "killed: what came half is kept no longer" 0 sh -c "ls '$partial' 2>/dev/null | wc -l"
forget
fault "$plain" '{"path": "'$big'", "kind": "stall", "after": 3000000}'
kill_at "$big" 3000000
check "killed with half a blob: the next pull" docker pull "$plain/t/big:1"
check_out "it asks for the other half" "bytes=3000000-" asked "$big"
first=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["layers"][0]["digest"])' "$content/manifests/t/big/1")
whole=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["layers"][1]["size"])' "$content/manifests/t/big/1")
forget
fault "$plain" '{"path": "'$first'", "kind": "stall", "after": 100}'
kill_at "$big" "$whole"
check "killed with a layer that waits for the one below: the next pull" docker pull "$plain/t/big:1"
check_out "it does not ask for it" "" asked "$big"
check "what was kept is unpacked right" docker save -o "$test_home/big.tar" "$plain/t/big:1"
forget
fault "$plain" '{"path": "'$big'", "kind": "stall", "after": 3000000}'
kill_at "$big" 3000000
inside dd if=/dev/zero of="$partial/${big#sha256:}" bs=1000 seek=1000 count=1 conv=notrunc 2>/dev/null
check "what was kept is damaged: the next pull" docker pull "$plain/t/big:1"
check_has "it asks for all of it, then" "all" asked "$big"
forget
fault "$plain" '{"path": "'$big'", "kind": "stall", "after": 3000000}'
kill_at "$big" 3000000
docker image prune -f >/dev/null
check_out "prune removes what is kept" 0 sh -c "ls '$partial' 2>/dev/null | wc -l"

# --- credentials -----------------------------------------------------------------------------------------
auth_is() { # ADDRESS USER:PASSWORD
	write "$test_home/.docker/config.json" <<END
{"auths": {"$1": {"auth": "$(printf %s "$2" | base64)"}}}
END
}
rm -f "$test_home/.docker/config.json"
check_has "basic: nothing given" "Head \"http://$basic/v2/t/secret/manifests/1\": no basic auth credentials" docker pull "$basic/t/secret:1"
# Some versions of the stock CLI answer a 401 by asking for a password at length: the API, then.
wrong_password() { # REPOSITORY
	curl -s --unix-socket "$xdg/docker.sock" -w ' %{http_code}' -X POST "http://d/images/create?fromImage=$1&tag=1" \
		-H "X-Registry-Auth: $(printf '{"username":"tester","password":"wrong"}' | base64 -w0)"
}
check_out "basic: wrong password" '{"message":"unauthorized: authentication required"}
 401' wrong_password "$basic/t/secret"
auth_is "$basic" tester:secret
check "basic: right password" docker pull "$basic/t/secret:1"
rm -f "$test_home/.docker/config.json"
check "bearer: for anybody" docker pull "$bearer/t/secret:1"
check_has "bearer: denied" "pull access denied for $bearer/t/denied, repository does not exist or may require 'docker login': denied: requested access to the resource is denied" \
	docker pull "$bearer/t/denied:1"
check_out "bearer: wrong password" '{"message":"Head \"http://'"$bearer"'/v2/t/app/manifests/1\": unauthorized: incorrect username or password"}
 401' wrong_password "$bearer/t/app"
auth_is "$bearer" tester:secret
clear_faults "$bearer"
check "bearer: right password" docker pull "$bearer/t/app:1"
check_has "bearer: the token names the account" "account=tester" requests "$bearer"
check_fails "bearer: the password goes to the token server only" grep -q "/v2/.* Basic" <(requests "$bearer")
# A registry may send the client elsewhere for blobs; credentials stay.
docker image rm -f "$bearer/t/big:1" "$plain/t/big:1" >/dev/null 2>&1
clear_faults "$plain"
fault "$bearer" '{"path": "'$big'", "kind": "redirect", "to": "http://'$plain'/v2/t/big/blobs/'$big'"}'
check "redirect: followed" docker pull "$bearer/t/big:1"
check_out "redirect: no credentials" "GET /v2/t/big/blobs/$big -" grep "$big" <(requests "$plain")
rm -f "$test_home/.docker/config.json"

# What `docker login` keeps where the token server gives one: it is exchanged, and never sent to the registry.
docker image rm -f "$bearer/t/app:1" >/dev/null
clear_faults "$bearer"
check_has "identity token: a pull" "Pull complete" curl -s --unix-socket "$xdg/docker.sock" -X POST \
	-H "X-Registry-Auth: $(printf '{"identitytoken":"identity"}' | base64 -w0)" "http://d/images/create?fromImage=$bearer/t/app&tag=1"
check_has "identity token: it is exchanged" "POST /token" requests "$bearer"
check_has "identity token: a wrong one" "unauthorized" curl -s --unix-socket "$xdg/docker.sock" -X POST \
	-H "X-Registry-Auth: $(printf '{"identitytoken":"stolen"}' | base64 -w0)" "http://d/images/create?fromImage=$bearer/t/app&tag=2"

# --- asking without pulling ----------------------------------------------------------------------------------
api() { curl -s --unix-socket "$xdg/docker.sock" "http://d$1"; }
check_out "distribution: what a tag means" "sha256:$(digest t/app/1) linux/amd64" sh -c "curl -s --unix-socket '$xdg/docker.sock' \
	'http://d/distribution/$plain/t/app:1/json' | python3 -c 'import json, sys
j = json.load(sys.stdin); p = j[\"Platforms\"][0]; print(j[\"Descriptor\"][\"digest\"], p[\"os\"] + \"/\" + p[\"architecture\"])'"
check_out "distribution: of an index, all platforms" "amd64 arm64" sh -c "curl -s --unix-socket '$xdg/docker.sock' \
	'http://d/distribution/$plain/t/index:1/json' | python3 -c 'import json, sys
print(*sorted({p[\"architecture\"] for p in json.load(sys.stdin)[\"Platforms\"]} & {\"amd64\", \"arm64\"}))'"
check_has "distribution: what is not there" "manifest unknown" api "/distribution/$plain/t/app:none/json"
check_has "distribution: no credentials" "no basic auth credentials" api "/distribution/$basic/t/secret:1/json"
check_out "search" "t/four holds t/four 6" docker search --format '{{.Name}} {{.Description}} {{.StarCount}}' "$plain/t/f"
check_out "search: a limit" 2 sh -c "curl -s --unix-socket '$xdg/docker.sock' 'http://d/images/search?term=$plain/t/&limit=2' |
	python3 -c 'import json, sys; print(len(json.load(sys.stdin)))'"
check_has "search: by stars" "library/mirrored" docker search --filter stars=10 --format '{{.Name}}' "$plain/m"
check_fails "search: too few of them" grep -q . <(docker search --filter stars=99 --format '{{.Name}}' "$plain/m")
check_has "search: official ones" "library/mirrored" docker search --filter is-official=true --format '{{.Name}}' "$plain/m"
check_has "search: nobody there" "invalid registry endpoint" docker search 127.0.0.1:1/x

# --- an archive by its URL -------------------------------------------------------------------------------------
check_has "import: a URL" "Downloading from http://$plain/plain/$big" docker import --platform linux/arm64 -c 'ENV A=b' "http://$plain/plain/$big" url:1
check_out "import: its platform and changes" "linux/arm64 [A=b]" docker image inspect -f '{{.Os}}/{{.Architecture}} {{.Config.Env}}' url:1
fault "$plain" '{"path": "plain/", "kind": "status", "status": 404, "body": "no such page"}'
check_has "import: nothing there" "failed to GET http://$plain/plain/$big with status 404" docker import "http://$plain/plain/$big" url:2
fault "$plain" '{"path": "plain/", "kind": "close", "after": 100000}'
check_has "import: it breaks off" "reading from $plain: unexpected EOF" docker import "http://$plain/plain/$big" url:2
nothing_left "import: it breaks off" url:2

# --- mirrors: the first one is down -------------------------------------------------------------------------
check_has "mirror" "Status: Downloaded newer image for mirrored:1" docker pull mirrored:1
check_out "mirror: its name" "mirrored:1" docker image inspect -f '{{index .RepoTags 0}}' mirrored:1
check_has "mirror: info" "http://$plain" docker info

# --- IPv6, a proxy, and what daemon.json says about effort --------------------------------------------------
if registry six --host ::1; then
	check_has "an IPv6 address" "Status: Downloaded newer image for $address/t/app:1" docker pull "$address/t/app:1"
	check_has "an IPv6 address: its name" "$address/t/app:1" docker image inspect -f '{{.RepoTags}}' "$address/t/app:1"
fi
waiting() { docker pull "$plain/t/four:1" 2>&1 | grep -c ": Waiting\$"; }
check_out "three layers are fetched at a time, the rest waits" 1 waiting
engine_stop
write "$test_home/.config/docker/daemon.json" <<END
{"max-concurrent-downloads": 1, "max-download-attempts": 2}
END
engine_start || exit 1
docker image rm -f "$plain/t/four:1" "$bearer/t/big:1" >/dev/null
check_out "max-concurrent-downloads" 3 waiting
fails "max-download-attempts" "download failed after attempts=2" '{"path": "'$big'", "kind": "status", "status": 500, "times": 9}'
# A pull that the network ended, not a signal: what came is kept all the same.
forget
clear_faults "$plain"
fault "$plain" '{"path": "'$big'", "kind": "close", "after": 3000000}'
fault "$plain" '{"path": "'$big'", "kind": "status", "status": 503, "times": 9}'
check_has "the line breaks, and the registry does not come back" "received unexpected HTTP status: 503" docker pull "$plain/t/big:1"
nothing_left "the line breaks" "$plain/t/big:1"
check "what came is kept" kept_is "$big" 3000000
docker pull "$plain/t/nothing:1" >/dev/null 2>&1
check "a pull that gets nowhere leaves it there" kept_is "$big" 3000000
clear_faults "$plain"
seen=$(log_length)
check "the next pull" docker pull "$plain/t/big:1"
check_out "it asks for the rest" "bytes=3000000-" asked "$big"
check "the layer is right" docker save -o "$test_home/big.tar" "$plain/t/big:1"
check_out "and nothing is kept any more" 0 sh -c "ls '$partial' 2>/dev/null | wc -l"
engine_stop
# The name need not resolve here: finding it is the proxy's work.
rm "$test_home/.config/docker/daemon.json"
python3 "$top/tests/lib/connect_proxy.py" "$TEST_TMP/proxy.log" "${plain##*:}" >"$TEST_TMP/proxy.port" 2>&1 &
proxy=$!
at_exit "kill $proxy 2>/dev/null"
check "proxy: listens" until_true test -s "$TEST_TMP/proxy.port"
user_env=(HTTP_PROXY="http://127.0.0.1:$(cat "$TEST_TMP/proxy.port")" HTTPS_PROXY="http://127.0.0.1:$(cat "$TEST_TMP/proxy.port")" NO_PROXY=127.0.0.1)
engine_start --insecure-registry registry.invalid || exit 1
user_env=()
check_has "proxy: plain HTTP through it" "Status: Downloaded newer image for registry.invalid/t/app:2" docker pull registry.invalid/t/app:2
check "proxy: it was asked to connect for https" grep -q "^CONNECT registry.invalid:443 " "$TEST_TMP/proxy.log"
check "proxy: and for a plain page" grep -q "^GET http://registry.invalid/v2/t/app/" "$TEST_TMP/proxy.log"
check_has "proxy: not for NO_PROXY" "$plain/t/four:1" docker pull "$plain/t/four:1"
check_fails "proxy: that went by" grep -q "t/four" "$TEST_TMP/proxy.log"
engine_stop
as_user rm -f "$test_home/.config/docker/daemon.json"
engine_start || exit 1

# --- TLS: loopback is never verified, so another address of this machine is needed ----------------------------
ip=$(ip -4 -o addr show scope global 2>/dev/null | awk '{ sub("/.*", "", $4); print $4; exit }')
if [ -z "$ip" ]; then
	skip "tls" "machine: it has no address but loopback"
	exit 0
fi
tls=$TEST_TMP/tls
mkdir -p "$tls"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=Test CA" \
	-addext basicConstraints=critical,CA:TRUE -keyout "$tls/ca.key" -out "$tls/ca.crt" 2>/dev/null
certify() { # NAME SUBJECT-ALT-NAME
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" -keyout "$tls/$1.key" -out "$tls/$1.csr" 2>/dev/null
	openssl x509 -req -in "$tls/$1.csr" -CA "$tls/ca.crt" -CAkey "$tls/ca.key" -CAcreateserial -days 2 \
		-extfile <(echo "subjectAltName=$2") -out "$tls/$1.crt" 2>/dev/null
}
certify right "IP:$ip" && certify other "DNS:other.test" && certify client "DNS:client.test"
registry right --host "$ip" --tls "$tls/right.crt" "$tls/right.key" && right=$address || exit 1
registry other --host "$ip" --tls "$tls/other.crt" "$tls/other.key" && other=$address || exit 1
registry mutual --host "$ip" --tls "$tls/right.crt" "$tls/right.key" --client-ca "$tls/ca.crt" && mutual=$address || exit 1
registry open --host "$ip" && open=$address || exit 1
trust() { # ADDRESS FILE NAME
	as_user mkdir -p "$test_home/.config/docker/certs.d/$1"
	write "$test_home/.config/docker/certs.d/$1/$3" <"$2"
}
check_has "tls: unknown authority" \
	"Get \"https://$right/v2/\": tls: failed to verify certificate: x509: certificate signed by unknown authority" \
	docker pull "$right/t/app:1"
trust "$right" "$tls/ca.crt" ca.crt
check "tls: its CA in certs.d" docker pull "$right/t/app:1"
trust "$other" "$tls/ca.crt" ca.crt
check_has "tls: another's certificate" "x509: cannot validate certificate for $ip because it doesn't contain any IP SANs" \
	docker pull "$other/t/app:1"
trust "$mutual" "$tls/ca.crt" ca.crt
check_has "tls: no client certificate" "remote error: tls: " docker pull "$mutual/t/app:1"
trust "$mutual" "$tls/client.crt" client.cert
check_has "tls: a certificate without its key" "missing key client.key for client certificate client.cert" docker pull "$mutual/t/app:1"
trust "$mutual" "$tls/client.key" client.key
check "tls: a client certificate" docker pull "$mutual/t/app:1"
check_has "tls: the registry speaks plain HTTP" "Get \"https://$open/v2/\": " docker pull "$open/t/app:1"
if [ "$(id -u)" = 0 ]; then
	# What the administrator trusts holds for every user's engine.
	engine_stop
	at_exit "rm -rf '/etc/docker/certs.d/$right'; rmdir -p /etc/docker/certs.d 2>/dev/null"
	mkdir -p "/etc/docker/certs.d/$right"
	cp "$tls/ca.crt" "/etc/docker/certs.d/$right/ca.crt"
	chmod -R a+rX /etc/docker/certs.d
	rm -r "$test_home/.config/docker/certs.d/$right"
	engine_start || exit 1
	docker image rm -f "$right/t/app:1" >/dev/null
	check "tls: its CA in /etc/docker/certs.d" docker pull "$right/t/app:1"
else
	skip "tls: its CA in /etc/docker/certs.d" "machine: needs root"
fi
engine_stop
write "$test_home/.config/docker/daemon.json" <<END
{"insecure-registries": ["$ip/32"]}
END
engine_start || exit 1
check "insecure: plain HTTP" docker pull "$open/t/app:1"
check "insecure: TLS with another's certificate" docker pull "$other/t/app:1"
check_has "insecure: info" "$ip/32" docker info
