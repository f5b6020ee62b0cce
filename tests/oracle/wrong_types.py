#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""wrong_types.py ORACLE MINE: what the real engine and ours say of members of a wrong type

ORACLE, MINE   sockets, unix:///path; both engines need a container "jx"

Each member that core/engine/schema.c knows is sent as a number, a text, true and a fraction, and where it is a list or
a map with a number in it.  Bodies that the real engine refuses for their types are compared by status and message.
Prints what differs and how many were compared; status 0 if nothing differs.
"""
import http.client, json, os, re, socket, sys

SCHEMA = open(os.path.join(os.path.dirname(__file__), "../../core/engine/schema.c")).read()
NESTED = {"T_STRS": [[5]], "T_STRV": [[5]], "T_OBJS": [[5]], "T_STRSS": [[5], [[5]]], "T_MAP": [{"a": 5}],
          "T_SET": [{"a": 5}], "T_OBJMAP": [{"a": 5}, {"a": [5]}], "T_SUBMAP": [{"a": 5}]}


class Engine(http.client.HTTPConnection):
    def __init__(self, url):
        super().__init__("engine", timeout=20)
        self.path = url.split("://", 1)[1]

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


def ask(url, path, body):
    e = Engine(url)
    e.request("POST", "/v1.51" + path, json.dumps(body), {"Content-Type": "application/json"})
    answer = e.getresponse()
    text = answer.read().decode()
    e.close()
    return answer.status, json.loads(text).get("message", text) if answer.status >= 400 else text


def members(table):
    body = re.search(r"\b%s\[\] = \{(.*?)END\};" % table, SCHEMA, re.S).group(1)
    return re.findall(r'\{"(\w+)", (T_\w+)', body)


def host(inner):
    return lambda x: {"Image": "none", "HostConfig": inner(x)}


def endpoint(inner):
    return lambda x: {"Image": "none", "NetworkingConfig": {"EndpointsConfig": {"n": inner(x)}}}


CREATE = "/containers/create"
PLACES = [
    (CREATE, "schema_config", lambda x: dict(x, Image=x.get("Image", "none"))),
    (CREATE, "health", lambda x: {"Image": "none", "Healthcheck": x}),
    (CREATE, "schema_host", host(lambda x: x)),
    (CREATE, "mount", host(lambda x: {"Mounts": [x]})),
    (CREATE, "bind_options", host(lambda x: {"Mounts": [{"BindOptions": x}]})),
    (CREATE, "volume_options", host(lambda x: {"Mounts": [{"VolumeOptions": x}]})),
    (CREATE, "tmpfs_options", host(lambda x: {"Mounts": [{"TmpfsOptions": x}]})),
    (CREATE, "image_options", host(lambda x: {"Mounts": [{"ImageOptions": x}]})),
    (CREATE, "ulimit", host(lambda x: {"Ulimits": [x]})),
    (CREATE, "device", host(lambda x: {"Devices": [x]})),
    (CREATE, "device_request", host(lambda x: {"DeviceRequests": [x]})),
    (CREATE, "weight_device", host(lambda x: {"BlkioWeightDevice": [x]})),
    (CREATE, "restart_policy", host(lambda x: {"RestartPolicy": x})),
    (CREATE, "log_config", host(lambda x: {"LogConfig": x})),
    (CREATE, "port_binding", host(lambda x: {"PortBindings": {"80/tcp": [x]}})),
    (CREATE, "schema_endpoint", endpoint(lambda x: x)),
    (CREATE, "ipam", endpoint(lambda x: {"IPAMConfig": x})),
    ("/networks/create", "schema_network_create", lambda x: x),
    ("/networks/create", "network_ipam", lambda x: {"IPAM": x}),
    ("/networks/create", "ipam_config", lambda x: {"IPAM": {"Config": [x]}}),
    ("/networks/bridge/connect", "schema_network_connect", lambda x: x),
    ("/volumes/create", "schema_volume_create", lambda x: x),
    ("/containers/jx/exec", "schema_exec", lambda x: x),
    ("/containers/jx/update", "schema_host", lambda x: x),
]


def main():
    oracle, mine = sys.argv[1:3]
    compared = differ = 0
    for path, table, wrap in PLACES:
        for name, kind in members(table):
            for value in [5, "x", True, 1.5] + NESTED.get(kind, []):
                body = wrap({name: value})
                theirs, ours = ask(oracle, path, body), ask(mine, path, body)
                if theirs[0] < 400 or "cannot unmarshal" not in theirs[1]:
                    continue
                compared += 1
                if theirs != ours:
                    differ += 1
                    print("%s %s\n    oracle: %s\n    mine:   %s" % (path, json.dumps(body), theirs, ours))
    print("%d compared, %d different" % (compared, differ))
    sys.exit(1 if differ or not compared else 0)


main()
