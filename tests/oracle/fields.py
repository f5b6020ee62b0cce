#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""fields.py ORACLE MINE [PATTERN...]: every field of a create request, on the real engine and on ours

ORACLE, MINE   sockets, unix:///path; both engines need an image "bb" with busybox in it.
               Or the name of a file with answers, as --record wrote them
PATTERN        shell patterns of case names; default all

fields.py --record FILE ENGINE [PATTERN...] asks one engine and keeps its answers.

Each case of the table makes a container with one field (or a telling combination) on both
engines, and compares: the answer to create (status, message, warnings), what inspect shows of
Config, HostConfig and Mounts, the answer to start, the exit code and all that the command in it
wrote. Ids, temporary paths and numbers that cannot be equal are replaced by words before.

Differences that are meant to be are in fields-exceptions, with their reasons: CASE, MEMBER (shell
patterns), REASON, tabs between them.  They are counted, and shown with FIELDS_ALL=1.

Prints what else differs and a count; status 0 if nothing does. A container "peer" (shareable IPC,
running) and a volume "fields-vol" are made on both sides for cases that need another.
"""
import fnmatch, http.client, json, os, re, socket, struct, sys
from fields_table import CASES


class Engine:
    def __init__(self, url):
        self.path = url.split('://', 1)[1]

    def call(self, method, path, body=None, raw=False):
        conn = http.client.HTTPConnection('engine', timeout=90)
        conn.sock = socket.socket(socket.AF_UNIX)
        conn.sock.settimeout(25)
        conn.sock.connect(self.path)
        data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        conn.request(method, '/v1.51' + path, data, {'Content-Type': 'application/json'} if data is not None else {})
        try:
            answer = conn.getresponse()
            text = answer.read()
        except OSError as e:
            return 0, str(e).encode() if raw else str(e)
        finally:
            conn.close()
        if raw:
            return answer.status, text
        try:
            return answer.status, json.loads(text) if text else None
        except ValueError:
            return answer.status, text.decode('utf-8', 'replace')

    def prepare(self):
        for name in ('peer', 'peer2'):
            self.call('DELETE', f'/containers/{name}?force=1&v=1')
        self.call('DELETE', '/volumes/fields-vol?force=1')
        self.call('POST', '/volumes/create', {'Name': 'fields-vol', 'Labels': {'a': 'b'}})
        self.call('POST', '/containers/create?name=peer', {
            'Image': 'bb', 'Cmd': ['sh', '-c', 'echo shared >/dev/shm/s; mkdir -p /v/sub; echo x >/v/sub/f; exec sleep 1000'],
            'Hostname': 'peerhost', 'Env': ['A=1', 'B=two words'], 'ExposedPorts': {'80/tcp': {}, '53/udp': {}, '8000-8002/tcp': {}},
            'HostConfig': {'IpcMode': 'shareable', 'Binds': ['fields-vol:/v'], 'Init': True}})
        self.call('POST', '/containers/peer/start')
        self.call('POST', '/containers/create?name=peer2', {'Image': 'bb', 'Cmd': ['sleep', '1000']})

    def forget(self):
        for name in ('peer', 'peer2'):
            self.call('DELETE', f'/containers/{name}?force=1&v=1')
        self.call('DELETE', '/volumes/fields-vol?force=1')


def frames(data):
    out = {1: b'', 2: b''}
    while len(data) >= 8:
        stream, n = data[0], struct.unpack('>I', data[4:8])[0]
        out[stream] = out.get(stream, b'') + data[8:8 + n]
        data = data[8 + n:]
    return {k: v.decode('utf-8', 'replace') for k, v in out.items() if v}


def play(engine, case):
    body = {'Image': 'bb', 'Cmd': ['sh', '-c', case.get('sh', 'true')]}
    body.update(case.get('config', {}))
    if 'host' in case:
        body['HostConfig'] = dict(case['host'])
    if 'net' in case:
        body['NetworkingConfig'] = case['net']
    engine.call('DELETE', '/containers/field?force=1&v=1')
    status, answer = engine.call('POST', '/containers/create?name=field', case.get('raw', body))
    seen = {'create': status}
    if not isinstance(answer, dict) or 'Id' not in answer:
        seen['message'] = answer
        return seen
    seen['warnings'] = sorted(answer.get('Warnings') or [])
    _, seen_inspect = engine.call('GET', '/containers/field/json')
    for part in ('Config', 'HostConfig', 'Mounts', 'Path', 'Args', 'AppArmorProfile', 'MountLabel', 'ProcessLabel'):
        seen[part] = seen_inspect.get(part)
    if seen.get('Mounts'):
        seen['Mounts'] = sorted(seen['Mounts'], key=lambda m: m['Destination'])
    if case.get('start', True):
        status, answer = engine.call('POST', '/containers/field/start')
        seen['start'] = status
        if answer:
            seen['start message'] = answer
        else:
            if case.get('exec'):
                _, made = engine.call('POST', '/containers/field/exec', dict(case['exec'], AttachStdout=True, AttachStderr=True))
                _, text = engine.call('POST', f"/exec/{made.get('Id')}/start", {}, raw=True)
                seen['exec'] = frames(text)
                engine.call('POST', '/containers/field/kill')
            _, seen['exit'] = engine.call('POST', '/containers/field/wait')
            _, text = engine.call('GET', '/containers/field/logs?stdout=1&stderr=1', raw=True)
            seen['output'] = text.decode('utf-8', 'replace') if body.get('Tty') else frames(text)
    engine.call('DELETE', '/containers/field?force=1&v=1')
    return seen


RULES = [
    (re.compile(r'\b[0-9a-f]{64}\b'), '<id>'),
    (re.compile(r'\b[0-9a-f]{12}\b'), '<short id>'),
    (re.compile(r', dstFd=/proc/thread-self/fd/\d+'), ''),
    (re.compile(r'uid=\d{3,5},gid=\d{3,5}'), '<owner>'),
    (re.compile(r'(/[\w.-]+)+/overlay2/<id>/merged'), '<rootfs>'),
    (re.compile(r'(/[\w.-]+)+/docker/<id>/rootfs'), '<rootfs>'),
    (re.compile(r'(/[\w.-]+)+/volumes/'), '<root>/volumes/'),
]


def words(value):
    text = json.dumps(value, sort_keys=True, ensure_ascii=False)
    for rule, word in RULES:
        text = rule.sub(word, text)
    return text


def differences(want, have):
    """(member, of the first, of the second); what follows from another status is not told."""
    for key in ('create', 'message', 'warnings', 'start', 'start message'):
        if words(want.get(key)) != words(have.get(key)):
            yield key, words(want.get(key)), words(have.get(key))
    if want['create'] != have['create'] or want['create'] != 201 or want.get('start') != have.get('start'):
        return
    for part in ('Config', 'HostConfig'):
        for key in sorted(set(want[part]) | set(have[part])):
            a, b = words(want[part].get(key, '(absent)')), words(have[part].get(key, '(absent)'))
            if a != b:
                yield f'{part}.{key}', a, b
    for key in sorted(set(want) | set(have)):
        if key not in ('Config', 'HostConfig', 'create', 'message', 'warnings', 'start', 'start message') and \
                words(want.get(key)) != words(have.get(key)):
            yield key, words(want.get(key)), words(have.get(key))


def answers(where, patterns):
    """An iterator of (case name, what was seen)."""
    if '://' not in where:
        with open(where) as f:
            kept = json.load(f)
        yield from ((n, kept[n]) for n in CASES if n in kept and any(fnmatch.fnmatch(n, p) for p in patterns))
        return
    engine = Engine(where)
    engine.prepare()
    for name, case in CASES.items():
        if any(fnmatch.fnmatch(name, p) for p in patterns):
            yield name, play(engine, case)
    engine.forget()


def record(path, where, patterns):
    try:
        with open(path) as f:
            kept = json.load(f)
    except FileNotFoundError:
        kept = {}
    kept.update(answers(where, patterns))
    with open(path, 'w') as f:
        json.dump(kept, f, indent=1)


def exceptions():
    """(pattern of cases, pattern of members) of those that are meant to differ."""
    if os.environ.get('FIELDS_ALL'):
        return []
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'fields-exceptions')) as f:
        lines = [[x for x in line.strip().split('\t') if x] for line in f if line.strip() and not line.startswith('#')]
    if bad := [x for x in lines if len(x) != 3]:
        sys.exit(f'fields-exceptions: not three fields: {bad[0]}')
    return [x[:2] for x in lines]


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    if sys.argv[1] == '--record':
        return record(sys.argv[2], sys.argv[3], sys.argv[4:] or ['*'])
    patterns = sys.argv[3:] or ['*']
    equal = different = explained = 0
    known = exceptions()
    mine = dict(answers(sys.argv[2], patterns))
    for name, want in answers(sys.argv[1], patterns):
        found = list(differences(want, mine[name]))
        equal += not found
        left = [x for x in found if not any(fnmatch.fnmatch(name, c) and fnmatch.fnmatch(x[0], m) for c, m in known)]
        explained += bool(found) and not left
        found = left
        different += bool(found)
        if found:
            print(name)
        for at, a, b in found:
            print(f'    {at}\n      oracle: {a}\n      mine:   {b}')
    print(f'{equal} equal, {explained} different for a reason, {different} different')
    return different != 0


if __name__ == '__main__':
    sys.exit(main())
