// SPDX-License-Identifier: MIT
// What tests do with testcontainers: ports, wait strategies, a network, files, an image of their own.
'use strict';
const { test } = require('node:test');
const assert = require('node:assert');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { GenericContainer, Network, Wait } = require('testcontainers');

const httpd = ['sh', '-c', 'mkdir /w; echo served >/w/x; echo ready to serve; exec httpd -f -v -p 80 -h /w'];
const get = async (c) => (await fetch(`http://${c.getHost()}:${c.getMappedPort(80)}/x`)).text();

test('a port is mapped, and waited for', async () => {
  const c = await new GenericContainer('busybox').withCommand(httpd).withExposedPorts(80).start();
  assert.equal(await get(c), 'served\n');
  await c.stop();
});

test('wait strategies: a log line, HTTP, health, a command', async () => {
  const base = () => new GenericContainer('busybox').withCommand(httpd).withExposedPorts(80);
  for (const ready of [
    base().withWaitStrategy(Wait.forLogMessage('ready to serve')),
    base().withWaitStrategy(Wait.forHttp('/x', 80)),
    base().withWaitStrategy(Wait.forSuccessfulCommand('test -e /w/x')),
    base().withHealthCheck({ test: ['CMD-SHELL', 'test -e /w/x'], interval: 100, retries: 50 })
      .withWaitStrategy(Wait.forHealthCheck()),
  ]) {
    const c = await ready.start();
    await c.stop();
  }
});

test('a container that does not get ready is an error', async () => {
  await assert.rejects(new GenericContainer('busybox').withCommand(['sleep', '1000'])
    .withWaitStrategy(Wait.forLogMessage('never').withStartupTimeout(300)).start());
});

test('exec, copies, environment', async () => {
  const c = await new GenericContainer('busybox').withCommand(['sleep', '1000']).withEnvironment({ A: 'b' })
    .withCopyContentToContainer([{ content: 'copied', target: '/tmp/deep/f' }]).start();
  const result = await c.exec(['sh', '-c', 'echo $A; cat /tmp/deep/f; exit 4']);
  assert.deepEqual([result.output, result.exitCode], ['b\ncopied', 4]);
  await c.stop();
});

test('two on a network know each other by alias', async () => {
  const network = await new Network().start();
  const server = await new GenericContainer('busybox').withCommand(httpd).withNetwork(network).withNetworkAliases('web')
    .withWaitStrategy(Wait.forLogMessage('ready')).start();
  const client = await new GenericContainer('busybox').withCommand(['sleep', '1000']).withNetwork(network).start();
  const result = await client.exec(['sh', '-c', 'until wget -qO- http://web/x 2>/dev/null; do :; done']);
  assert.equal(result.output, 'served\n');
  await client.stop();
  await server.stop();
  await network.stop();
});

test('an image from a Dockerfile', async () => {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'built-'));
  fs.writeFileSync(path.join(dir, 'Dockerfile'), 'FROM busybox\nARG WHO\nENV WHO=$WHO\nCMD ["sh", "-c", "echo for $WHO; sleep 1000"]\n');
  const image = await GenericContainer.fromDockerfile(dir).withBuildArgs({ WHO: 'me' }).build('tc-built:1', { deleteOnExit: false });
  const c = await image.withWaitStrategy(Wait.forLogMessage('for me')).start();
  await c.stop();
  fs.rmSync(dir, { recursive: true });
});

test('restart keeps it usable', async () => {
  const c = await new GenericContainer('busybox').withCommand(['sh', '-c', 'mkdir -p /w; echo served >/w/x; exec httpd -f -p 80 -h /w'])
    .withExposedPorts(80).start();
  await c.restart();
  assert.equal(await get(c), 'served\n');
  await c.stop();
});
