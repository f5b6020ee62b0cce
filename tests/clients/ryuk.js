// SPDX-License-Identifier: MIT
// A test run that dies in the middle: what it started is for Ryuk to remove.
'use strict';
const { GenericContainer, Network } = require('testcontainers');

(async () => {
  const network = await new Network().start();
  await new GenericContainer('busybox').withCommand(['sleep', '1000']).withNetwork(network).withNetworkAliases('left').start();
  process.kill(process.pid, 'SIGKILL');
})();
