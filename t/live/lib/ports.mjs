// Free ports, below the range from which the kernel takes clients' own.

import net from 'node:net';

const FIRST = 16000;
const LAST = 32000;

/* Far from those that other tests, at the same time, look at. */
let next = FIRST + Math.floor(Math.random() * (LAST - FIRST));

const isFree = (port) => new Promise((tell) => {
  const server = net.createServer();

  server.once('error', () => tell(false));
  server.listen(port, '127.0.0.1', () => server.close(() => tell(true)));
});

export async function freePort() {
  for (let n = FIRST; n < LAST; n++) {
    const port = next;

    next = next + 1 < LAST ? next + 1 : FIRST;

    if (await isFree(port)) {
      return port;
    }
  }

  throw new Error('no free port');
}
