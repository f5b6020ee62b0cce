#!/bin/bash
# SPDX-License-Identifier: MIT
#
# docker push and login with both clients against real registries: open, with accounts, behind a line
# that breaks; what arrives there, byte for byte; and pulls through that line.
#
# FAULTY_PULLS=1000 makes many of the last (as a check by hand); FAULTY_SEED another course of events.
# test: together
. "$(dirname "$0")/lib.sh"
. "$top/tests/integration/registry.sh"

read -r port aport < <(free_ports 2)
reg=127.0.0.1:$port areg=127.0.0.1:$aport # registries: open, with accounts
registry_up "$port"
{
	registry_conf "$aport"
	echo "auth: {htpasswd: {realm: test, path: $TEST_TMP/htpasswd}}"
	# password "secret", bcrypt
	echo 'someone:$2b$05$Gy6p4fmLoQtH7LfT9B/oEOPfprjh3h2W9G74JC8YXVhfB2ORA9WYG' >"$TEST_TMP/htpasswd"
} >"$TEST_TMP/registry-$aport.yml"
registry_start "$aport" "$TEST_TMP/registry-$aport.yml"
engine_start --userland-proxy=false

manifest() { # REGISTRY REPOSITORY TAG: as the registry has it
	curl -s -H 'Accept: application/vnd.docker.distribution.manifest.v2+json' \
		-H 'Accept: application/vnd.oci.image.manifest.v1+json' "http://$1/v2/$2/manifests/$3"
}
digest_of() { manifest "$@" | sha256sum | sed 's/ .*//; s/^/sha256:/'; }
json() { python3 -c "import json,sys; j=json.load(sys.stdin); print($1)"; }

# --- content: three layers, two of them equal --------------------------------------------------------
work=$TEST_TMP/work
mkdir -p "$work/one/dir" "$work/two"
head -c 3000000 /dev/urandom >"$work/one/dir/noise"
seq 200000 >"$work/one/numbers"
ln "$work/one/numbers" "$work/one/again"
echo two >"$work/two/file"
tar -C "$work/one" -cf "$TEST_TMP/one.tar" .
tar -C "$work/two" --format=pax -cf "$TEST_TMP/two.tar" .
python3 "$top/tests/lib/mkimage.py" "$TEST_TMP/image.tar" "$reg/t/app:1" "$TEST_TMP/one.tar" "$TEST_TMP/two.tar" "$TEST_TMP/two.tar"
chmod 644 "$TEST_TMP/image.tar"
docker load -q -i "$TEST_TMP/image.tar" >/dev/null
id=$(docker image inspect -f '{{.Id}}' "$reg/t/app:1")
short() { sha256sum "$TEST_TMP/$1.tar" | cut -c1-12; }

# --- pushing ------------------------------------------------------------------------------------------
run docker push "$reg/t/app:1"
digest=$(digest_of "$reg" t/app 1)
size=$(manifest "$reg" t/app 1 | wc -c)
want=$(printf '%s\n' "The push refers to repository [$reg/t/app]" "$(short two): Preparing" "$(short one): Preparing" \
	"$(short two): Pushed" "$(short one): Pushed" "1: digest: $digest size: $size")
if [ "$(sort <<<"$out")" = "$(sort <<<"$want")" ] && [ "$status" = 0 ]; then ok "push says what Docker says"; else
	not_ok "push says what Docker says" "$out"; fi
check_out "the digest is a name of the image" "[$reg/t/app@$digest]" docker image inspect -f '{{.RepoDigests}}' "$reg/t/app:1"
check_out "the registry has the config byte for byte" "$id" \
	bash -c "curl -sL http://$reg/v2/t/app/blobs/$id | sha256sum | sed 's/ .*//; s/^/sha256:/'"
blob_tar() { curl -sL "http://$reg/v2/t/app/blobs/$(manifest "$reg" t/app 1 | json "j['layers'][$1]['digest']")" | gunzip; }
check "a layer is the tar it was made of" cmp <(blob_tar 0) "$TEST_TMP/one.tar"
check "so is the one written as pax" cmp <(blob_tar 2) "$TEST_TMP/two.tar"
check_has "what is there is not sent again" "Layer already exists" docker push "$reg/t/app:1"
docker tag "$reg/t/app:1" "$reg/t/other:1"
docker tag "$reg/t/app:1" "$reg/t/other:2"
check_has "what another repository has is mounted" "Mounted from t/app" our_docker push "$reg/t/other:1"
check_out "all tags, quietly" "$reg/t/other" our_docker push -q -a "$reg/t/other"
check_out "the same image has the same digest elsewhere" "$digest" digest_of "$reg" t/other 2
check_has "a tag that is not there" "tag does not exist: $reg/t/app:none" docker push "$reg/t/app:none"
check_has "a repository that is not there" "An image does not exist locally with the tag: $reg/t/nothing" docker push "$reg/t/nothing:1"
docker tag "$reg/t/app:1" 127.0.0.1:1/x:1
check_has "nobody listens" 'Get "http://127.0.0.1:1/v2/": dial tcp 127.0.0.1:1: connect: connection refused' \
	our_docker push 127.0.0.1:1/x:1
check_has "an event for it" "image push $reg/t/other:2" \
	docker events --since 5m --until "$(($(date +%s) + 1))" --filter event=push --format '{{.Type}} {{.Action}} {{.ID}}'

engine_stop
engine_start --userland-proxy=false --max-concurrent-uploads 1
docker tag "$reg/t/app:1" "$reg/t/one-by-one:1"
said=$(docker push "$reg/t/one-by-one:1" 2>&1)
check_out "max-concurrent-uploads: the second of two layers waits" 1 grep -c ": Waiting$" <(echo "$said")
check_has "max-concurrent-uploads: and gets there" "1: digest: $digest" echo "$said"
engine_stop
engine_start --userland-proxy=false

# --- there and back ---------------------------------------------------------------------------------------
docker rmi -f "$id" >/dev/null
check "pull it back" docker pull -q "$reg/t/other:1"
check_out "the same image" "$id" docker image inspect -f '{{.Id}}' "$reg/t/other:1"
docker tag "$reg/t/other:1" "$areg/t/app:1"
# Another registry has none of its layers: they are compressed again, to the same bytes as before.
check_has "no credentials" "no basic auth credentials" docker push "$areg/t/app:1"
check_out "login" "Login Succeeded" as_user sh -c "echo secret | $coracle docker login -u someone --password-stdin $areg 2>/dev/null"
check_has "what the stock client finds" '"auth": "c29tZW9uZTpzZWNyZXQ="' cat "$test_home/.docker/config.json"
check "push with the credentials" docker push -q "$areg/t/app:1"
check_has "and again with what is remembered" "Login Succeeded" our_docker login "$areg"
check_out "logout" "Removing login credentials for $areg" our_docker logout "$areg"
check_has "nothing is remembered" '"auths": {}' cat "$test_home/.docker/config.json"
check_has "wrong password" "login attempt to http://$areg/v2/ failed with status: 401 Unauthorized" \
	our_docker login -u someone -p wrong "$areg"

# --- credential helpers -------------------------------------------------------------------------------------
cat >"$TEST_TMP/bin/docker-credential-box" <<END
#!/bin/sh
f=$test_home/box
case \$1 in
store) cat >\$f ;;
get) [ -e \$f ] && cat \$f || { echo "credentials not found in native keychain"; exit 1; } ;;
erase) cat >/dev/null; rm -f \$f ;;
esac
END
chmod 755 "$TEST_TMP/bin/docker-credential-box"
as_user sh -c 'echo "{\"credsStore\":\"box\"}" >$HOME/.docker/config.json'
helped() { as_user env PATH="$TEST_TMP/bin:$PATH" "$@"; }
check "login with a helper" helped "$coracle" docker login -u someone -p secret "$areg"
check_has "the helper has it" '"Secret":"secret"' cat "$test_home/box"
check_fails "the file has not" grep -q secret "$test_home/.docker/config.json"
docker tag "$reg/t/other:1" "$areg/t/helped:1"
check "push with the helper's" helped "$coracle" docker push -q "$areg/t/helped:1"
check "logout with it" helped "$coracle" docker logout "$areg"
check_fails "the helper forgot" test -e "$test_home/box"
as_user rm -f "$test_home/.docker/config.json"

# --- OCI stays OCI, and what others pushed stays theirs -------------------------------------------------------
skopeo copy -q --insecure-policy --dest-tls-verify=false --format oci "docker-archive:$TEST_TMP/image.tar" "docker://$reg/t/oci:1"
docker pull -q "$reg/t/oci:1" >/dev/null
docker tag "$reg/t/oci:1" "$reg/t/oci-again:1"
check "push what came as OCI" docker push -q "$reg/t/oci-again:1"
check "its manifest is the very one" cmp <(manifest "$reg" t/oci 1) <(manifest "$reg" t/oci-again 1)
seq 300000 >"$work/one/numbers"
tar -C "$work/one" -cf "$TEST_TMP/zstd.tar" .
python3 "$top/tests/lib/mkimage.py" "$TEST_TMP/zstd-image.tar" t/zstd:1 "$TEST_TMP/zstd.tar"
skopeo copy -q --insecure-policy --dest-tls-verify=false --format oci --dest-compress-format zstd \
	"docker-archive:$TEST_TMP/zstd-image.tar" "docker://$reg/t/zstd:1"
check_has "layers may be zstd" "tar+zstd" manifest "$reg" t/zstd 1
docker rmi -f $(docker images -q | sort -u) >/dev/null
check "pull them" docker pull -q "$reg/t/zstd:1"
docker save -o "$test_home/zstd.tar" "$reg/t/zstd:1"
check "they are what they were" cmp "$TEST_TMP/zstd.tar" <(tar -xOf "$test_home/zstd.tar" "blobs/sha256/$(sha256sum <"$TEST_TMP/zstd.tar" | cut -d' ' -f1)")
docker tag "$reg/t/zstd:1" "$reg/t/zstd-again:1"
docker push -q "$reg/t/zstd-again:1" >/dev/null
check "and stay so when pushed" cmp <(manifest "$reg" t/zstd 1) <(manifest "$reg" t/zstd-again 1)
check "skopeo takes what we pushed" skopeo copy -q --insecure-policy --src-tls-verify=false "docker://$reg/t/other:2" "dir:$TEST_TMP/dir"

# --- a line that breaks ------------------------------------------------------------------------------------------
mkfifo "$TEST_TMP/told"
python3 "$top/tests/lib/faulty_proxy.py" --to "$reg" --told "$TEST_TMP/told" --seed "${FAULTY_SEED:-1}" \
	--rate "${FAULTY_RATE:-30}" --stalls "${FAULTY_STALLS:-0}" &
proxy_pid=$!
at_exit "kill $proxy_pid 2>/dev/null"
read -r bad <"$TEST_TMP/told"
lanes=()
for i in 1 2 3 4; do
	echo "$i" >"$work/two/file"
	head -c 400000 /dev/urandom >"$work/two/noise"
	tar -C "$work/two" -cf "$TEST_TMP/lane$i.tar" .
	head -c 150000 /dev/urandom >"$work/two/noise"
	tar -C "$work/two" -cf "$TEST_TMP/top$i.tar" .
	python3 "$top/tests/lib/mkimage.py" "$TEST_TMP/lane.tar" "$bad/lane$i:1" "$TEST_TMP/lane$i.tar" "$TEST_TMP/top$i.tar"
	chmod 644 "$TEST_TMP/lane.tar"
	docker load -q -i "$TEST_TMP/lane.tar" >/dev/null
	lanes+=("lane$i:1")
done
# A push that fails says so, and may be done again: what is in the registry is right or not there.
pushed=0
for i in 1 2 3 4; do
	for try in 1 2 3 4 5 6 7 8 9 10; do
		run docker push "$bad/lane$i:1"
		case $status:$out in
		0:*) pushed=$((pushed + 1)); break ;;
		*127.0.0.1*) ;;
		*) not_ok "a push that fails names the registry" "$out" ;;
		esac
	done
	docker rmi -f "$bad/lane$i:1" >/dev/null
done
check_out "all get through in the end" 4 echo "$pushed"
for i in 1 2 3 4; do
	check "what arrived of image $i is right" cmp "$TEST_TMP/lane$i.tar" \
		<(curl -sL "http://$reg/v2/lane$i/blobs/$(manifest "$reg" "lane$i" 1 | json "j['layers'][0]['digest']")" | gunzip)
done
run python3 "$top/tests/lib/faulty_pulls.py" "$xdg/docker.sock" "$bad" "${FAULTY_PULLS:-32}" "${lanes[@]}"
echo "# $out"
if [ "$status" = 0 ]; then ok "pulls: a right image, or an error that names the registry"; else
	not_ok "pulls: a right image, or an error that names the registry" "$out"; fi
echo "# faults: $(curl -s "http://$bad/_faults")"
inside() { as_user unshare --user --map-root-user --map-auto "$@" 2>&1; }
check_out "nothing half-made remains" "" inside ls -A "$test_home/.local/share/docker/tmp"
