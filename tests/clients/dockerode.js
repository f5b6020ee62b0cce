// SPDX-License-Identifier: MIT
// What programs do with dockerode: containers, streams, archives, events, builds, errors.
'use strict';
const { test } = require('node:test');
const assert = require('node:assert');
const { PassThrough } = require('node:stream');
const Docker = require('dockerode');
const tar = require('tar-stream');

const docker = new Docker();

const collect = async (stream) => {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
};

// What comes first. The end of docker.run() comes on another connection, and may be here earlier.
const first = (stream) => new Promise((resolve) => stream.once('data', (data) => resolve(data.toString())));

// The two streams of an attached container or exec, as text.
const split = async (stream) => {
  const out = new PassThrough(), err = new PassThrough();
  docker.modem.demuxStream(stream, out, err);
  stream.on('end', () => { out.end(); err.end(); });
  return Promise.all([collect(out), collect(err)]);
};

const followed = (stream) => new Promise((resolve, reject) =>
  docker.modem.followProgress(stream, (error, lines) => error ? reject(error) : resolve(lines)));

test('run: output and exit code', async () => {
  const out = new PassThrough(), text = first(out);
  const [result, container] = await docker.run('busybox', ['sh', '-c', 'echo hello; exit 3'], out, { Tty: false, HostConfig: {} });
  assert.equal(result.StatusCode, 3);
  assert.match(await text, /hello/);
  await container.remove();
});

test('attach: both ways, half-closed', async () => {
  const c = await docker.createContainer({ Image: 'busybox', Cmd: ['sh', '-c', 'cat; echo done >&2'], OpenStdin: true, StdinOnce: true,
    AttachStdin: true, AttachStdout: true, AttachStderr: true });
  const stream = await c.attach({ stream: true, stdin: true, stdout: true, stderr: true, hijack: true });
  const texts = split(stream);
  await c.start();
  stream.write('ping\n');
  stream.end();
  assert.deepEqual(await texts, ['ping\n', 'done\n']);
  assert.equal((await c.wait()).StatusCode, 0);
  await c.remove();
});

test('exec, logs, stats, top, resize, update', async () => {
  const c = await docker.createContainer({ Image: 'busybox', Cmd: ['sh', '-c', 'echo begun; sleep 1000'], name: 'js-life' });
  await c.start();
  const exec = await c.exec({ Cmd: ['sh', '-c', 'echo out; echo err >&2; exit 5'], AttachStdout: true, AttachStderr: true });
  assert.deepEqual(await split(await exec.start({ hijack: true })), ['out\n', 'err\n']);
  assert.equal((await exec.inspect()).ExitCode, 5);
  const log = await c.logs({ stdout: true, stderr: true, follow: false });
  assert.match(log.toString(), /begun/);
  assert.ok((await c.stats({ stream: false })).memory_stats);
  assert.match(JSON.stringify((await c.top()).Processes), /sleep/);
  await c.update({ RestartPolicy: { Name: 'no' } });
  await c.rename({ name: 'js-renamed' });
  assert.equal((await c.inspect()).Name, '/js-renamed');
  await c.pause();
  assert.equal((await c.inspect()).State.Status, 'paused');
  await c.unpause();
  await c.stop({ t: 0 });
  await c.remove();
});

test('archives both ways', async () => {
  const c = await docker.createContainer({ Image: 'busybox', Cmd: ['true'] });
  const pack = tar.pack();
  pack.entry({ name: 'f' }, 'content');
  pack.finalize();
  await c.putArchive(pack, { path: '/tmp' });
  const extract = tar.extract();
  const content = new Promise((resolve) => extract.on('entry', (header, entry, next) => {
    collect(entry).then((text) => { next(); resolve(text); });
  }));
  (await c.getArchive({ path: '/tmp/f' })).pipe(extract);
  assert.equal(await content, 'content');
  const info = await c.infoArchive({ path: '/tmp/f' });
  info.resume(); // else its connection stays
  assert.ok(info);
  await c.remove();
});

test('events come as they happen', async () => {
  const events = await docker.getEvents({ filters: { type: ['container'], label: ['js'] } });
  const seen = (async () => {
    const actions = [];
    for await (const chunk of events)
      for (const line of chunk.toString().trim().split('\n')) {
        actions.push(JSON.parse(line).Action);
        if (actions.at(-1) === 'destroy') return actions;
      }
  })();
  const c = await docker.createContainer({ Image: 'busybox', Cmd: ['true'], Labels: { js: '' } });
  await c.start();
  await c.wait();
  await c.remove();
  assert.deepEqual(await seen, ['create', 'start', 'die', 'destroy']);
});

test('build, history, tag, remove', async () => {
  const pack = tar.pack();
  pack.entry({ name: 'Dockerfile' }, 'FROM busybox\nCOPY f /f\nCMD ["cat", "/f"]\n');
  pack.entry({ name: 'f' }, 'built');
  pack.finalize();
  const lines = await followed(await docker.buildImage(pack, { t: 'js-built' }));
  assert.ok(lines.some((l) => l.stream && l.stream.includes('Successfully tagged js-built:latest')));
  const out = new PassThrough(), text = first(out);
  const [, container] = await docker.run('js-built', [], out, { Tty: true });
  assert.equal((await text).trim(), 'built');
  await container.remove();
  await docker.getImage('js-built').tag({ repo: 'js-copy', tag: '1' });
  assert.ok((await docker.getImage('js-copy:1').history()).length > 2);
  await docker.getImage('js-copy:1').remove();
  await docker.getImage('js-built').remove();
});

test('a build that fails says so in its stream', async () => {
  const pack = tar.pack();
  pack.entry({ name: 'Dockerfile' }, 'FROM busybox\nRUN exit 9\n');
  pack.finalize();
  await assert.rejects(followed(await docker.buildImage(pack, { forcerm: true })).then((lines) => {
    const failed = lines.find((l) => l.error);
    if (failed) throw new Error(failed.error);
  }), /returned a non-zero code: 9/);
});

test('networks and volumes', async () => {
  const network = await docker.createNetwork({ Name: 'js-net', Labels: { a: 'b' } });
  const volume = await docker.createVolume({ Name: 'js-volume' });
  const c = await docker.createContainer({ Image: 'busybox', Cmd: ['sleep', '1000'], HostConfig: { Binds: ['js-volume:/v'] } });
  await c.start();
  await network.connect({ Container: c.id, EndpointConfig: { Aliases: ['alias'] } });
  assert.ok(Object.values((await network.inspect()).Containers).length === 1);
  await assert.rejects(docker.getVolume('js-volume').remove(), (e) => e.statusCode === 409);
  await network.disconnect({ Container: c.id });
  await c.remove({ force: true });
  await network.remove();
  await docker.getVolume('js-volume').remove();
  assert.ok(volume.Name || volume.name);
});

test('errors have their status and reason', async () => {
  await assert.rejects(docker.getContainer('nobody').inspect(), (e) => e.statusCode === 404 && /No such container: nobody/.test(e.json.message));
  await assert.rejects(docker.createContainer({ Image: 'js-nothing' }), (e) => e.statusCode === 404);
  await assert.rejects(docker.createContainer({ Image: 'busybox', name: '!' }), (e) => e.statusCode === 400);
});

test('an abort ends a wait', async () => {
  const c = await docker.createContainer({ Image: 'busybox', Cmd: ['sleep', '1000'] });
  await c.start();
  const abort = new AbortController();
  const wait = c.wait({ abortSignal: abort.signal });
  setImmediate(() => abort.abort());
  await assert.rejects(wait);
  await c.remove({ force: true });
});
