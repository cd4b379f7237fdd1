// One nginx for a measurement: its zone, its workers, on the server's CPU.

import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { Log } from '../../live/lib/log.mjs';
import { freePort } from '../../live/lib/ports.mjs';
import { processes } from '../../live/lib/process.mjs';
import { until } from '../../live/lib/wait.mjs';
import { MODULE, NGINX } from '../../live/lib/nginx.mjs';
import { account, LOAD_CPU, ran, SERVER_CPU } from './cpu.mjs';

const BUILD = fileURLToPath(new URL('../../../build/bench/', import.meta.url));
const START = 60_000;   /* a large zone takes its time */

const running = new Set();

process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));

const configuration = ({ zone, workers, port }) => `
load_module ${MODULE};
daemon off;
worker_processes ${workers};
pid nginx.pid;
error_log error.log;

events {
    worker_connections 4096;
}

http {
    access_log off;
    client_body_temp_path temp/body;
    proxy_temp_path temp/proxy;
    fastcgi_temp_path temp/fastcgi;
    uwsgi_temp_path temp/uwsgi;
    scgi_temp_path temp/scgi;
    keepalive_timeout 600s;
    keepalive_requests 1000000000;

    presence_zone bench ${zone}

    server {
        listen 127.0.0.1:${port} backlog=4096${workers > 1 ? ' reuseport' : ''};
${workers > 1 ? '        add_header X-Worker $pid;' : ''}

        location = /presence/none {
            return 204;
        }

        location = /presence/touched {
            presence_touch bench;
            presence_user $cookie_uid;
            return 204;
        }

        location /presence/ {
            presence bench;
            presence_user $cookie_uid;
            presence_groups agents;
        }
    }
}
`;

export class Server {
  static async start({ zone = '64m { }', workers = 1 } = {}) {
    const server = new Server();

    await server.#start({ zone, workers, port: await freePort() });

    return server;
  }

  get workers() {
    return processes().filter((p) => p.parent === this.#child.pid)
      .map((p) => p.pid);
  }

  /* Nanoseconds that the workers have run so far. */
  ran() {
    return this.workers.reduce((total, pid) => total + ran(pid), 0);
  }

  reload() {
    this.#child.kill('SIGHUP');
  }

  async stop() {
    const gone = new Promise((done) => this.#child.once('exit', done));

    account(this.ran());
    this.#child.kill('SIGTERM');
    await gone;
    running.delete(this.#child);

    const faults = new Log(path.join(this.#prefix, 'error.log')).faults();

    if (faults.length) {
      throw new Error(`in the error log: ${faults[0]}`);
    }

    fs.rmSync(this.#prefix, { recursive: true, force: true });
  }

  port = 0;

  #child;
  #prefix;

  async #start(site) {
    fs.mkdirSync(BUILD, { recursive: true });
    this.#prefix = fs.mkdtempSync(path.join(BUILD, 'nginx-'));
    this.port = site.port;

    fs.mkdirSync(path.join(this.#prefix, 'temp'));
    fs.writeFileSync(path.join(this.#prefix, 'nginx.conf'),
      configuration(site));

    /* with two workers each has a CPU, and the load shares them */
    const cpus = site.workers > 1 ? `${SERVER_CPU},${LOAD_CPU}` : SERVER_CPU;

    /* nginx takes a variable of that name for inherited sockets */
    const { NGINX: _, ...env } = process.env;

    this.#child = spawn('taskset', ['-c', cpus, NGINX, '-p', this.#prefix,
      '-c', path.join(this.#prefix, 'nginx.conf'), '-e', 'error.log'],
    { env, stdio: ['ignore', 'inherit', 'inherit'] });
    running.add(this.#child);

    await until(() => {
      if (this.#child.exitCode !== null) {
        throw new Error('nginx did not start');
      }

      return this.workers.length === site.workers;
    }, START, 'workers');
  }
}
