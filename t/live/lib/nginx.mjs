// One nginx of our own: start, reload, kill, stop the clock, upgrade, quit.

import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { Log } from './log.mjs';
import { freePort } from './ports.mjs';
import { commandLine, isAlive, isStopped, processes } from './process.mjs';
import { configuration, PORTS } from './site.mjs';
import { until } from './wait.mjs';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const BUILD = path.join(ROOT, 'build');
const PRIVATE = path.join(BUILD, 'debian/usr/sbin/nginx');

export const NGINX = process.env.NGINX
  ? path.resolve(process.env.NGINX)
  : fs.existsSync(PRIVATE) ? PRIVATE : '/usr/sbin/nginx';
export const MODULE = path.resolve(process.env.MODULE
  ?? path.join(BUILD, 'ngx_http_presence_module.so'));

const START = 10_000;

const groups = new Set();

/* Whatever happens to the tests, no server is left behind. */
process.on('exit', () => groups.forEach((group) => {
  try {
    process.kill(-group, 'SIGKILL');
  } catch { /* gone already */ }
}));
['SIGINT', 'SIGTERM', 'SIGHUP'].forEach(
  (signal) => process.on(signal, () => process.exit(1)));

export class Nginx {
  static async start(site) {
    const nginx = new Nginx(site);

    for (const name of PORTS) {
      nginx.ports[name] = await freePort();
    }

    nginx.#makeCertificate();
    nginx.write(site);
    await nginx.start();

    return nginx;
  }

  constructor(site) {
    fs.mkdirSync(path.join(BUILD, 'live'), { recursive: true });
    this.prefix = fs.mkdtempSync(path.join(BUILD, 'live', 'nginx-'));
    fs.mkdirSync(path.join(this.prefix, 'temp'));
    this.log = new Log(path.join(this.prefix, 'error.log'));
    this.ports = {};
    this.site = site;
  }

  /* Where a client connects to. */
  target(name) {
    const proto = { tls: 'tls', h2: 'h2' }[name] ?? 'h1';

    return { proto, port: this.ports[name] };
  }

  file(name) {
    return path.join(this.prefix, name);
  }

  write(site) {
    this.site = site;
    fs.writeFileSync(this.file('nginx.conf'), configuration(site, {
      ports: this.ports,
      module: MODULE,
      root: process.getuid() === 0,
      prefix: this.prefix,
    }));
  }

  async start() {
    /* nginx takes a variable of that name for inherited sockets */
    const { NGINX: _, ...env } = process.env;
    fs.rmSync(this.file('nginx.pid'), { force: true });

    const run = spawnSync(NGINX, this.#arguments(),
      { encoding: 'utf8', env: { ...env, ...this.site.env }, timeout: START });

    if (run.status !== 0) {
      throw new Error(`nginx did not start: ${run.error ?? run.stderr}`);
    }

    await until(() => this.#readPid('nginx.pid'), START, 'pid file');
    this.#group = this.master;
    groups.add(this.#group);
    await this.#untilWorkers(this.master);
  }

  get master() {
    return this.#readPid('nginx.pid');
  }

  /* Workers that take new connections. */
  workers(master = this.master) {
    return processes()
      .filter((p) => p.parent === master)
      .map((p) => p.pid)
      .filter((pid) => commandLine(pid).includes('worker process')
        && !commandLine(pid).includes('shutting down'));
  }

  /* All processes of this server, old ones and new ones. */
  all() {
    return processes()
      .filter((p) => p.group === this.#group)
      .map((p) => p.pid);
  }

  async reload(site = this.site) {
    const old = this.workers();

    this.write(site);
    process.kill(this.master, 'SIGHUP');
    await until(() => {
      const fresh = this.workers().filter((pid) => !old.includes(pid));

      return fresh.length === (site.workers ?? 2);
    }, START, 'new workers after a reload');

    return old;
  }

  async killWorker(pid) {
    this.log.allow(new RegExp(`worker process ${pid} exited on signal 9`));
    process.kill(pid, 'SIGKILL');
    await until(() => !isAlive(pid), START, 'the killed worker gone');
    await this.#untilWorkers(this.master);
  }

  /* Has a worker die, by SIGKILL, when it next calls that function. Returns
     when the debugger waits for that; await its "died". */
  async dieAt(pid, name) {
    const gdb = spawn('gdb', ['-nx', '-batch', '-p', pid, '-ex',
      `break ${name}`, '-ex', 'continue', '-ex', 'kill'],
      { stdio: ['ignore', 'pipe', 'ignore'] });
    const ended = once(gdb, 'close');
    let said = '';

    gdb.stdout.setEncoding('utf8').on('data', (text) => { said += text; });
    await until(() => said.includes('Breakpoint 1 at')
      || gdb.exitCode !== null, START, 'the debugger in the worker');
    this.log.allow(new RegExp(`worker process ${pid} exited on signal 9`));

    return {
      died: ended.then(() => {
        if (isAlive(pid)) {
          throw new Error(`worker ${pid} lives: ${said}`);
        }
      }),
    };
  }

  async freeze() {
    const pids = this.all();

    process.kill(-this.#group, 'SIGSTOP');
    await until(() => pids.every(isStopped), START, 'all stopped');
  }

  thaw() {
    process.kill(-this.#group, 'SIGCONT');
  }

  /* A new binary beside the old one, then the old one's workers leave, then
     its master. */
  async upgrade() {
    const old = this.master;
    const workers = this.workers(old);

    process.kill(old, 'SIGUSR2');

    /* while it is written anew the file may be empty, or not there */
    const fresh = await until(() => [this.master].find(
      (pid) => pid && pid !== old && isAlive(pid)), START,
    'pid of the new master');

    await this.#untilWorkers(fresh);
    process.kill(old, 'SIGWINCH');
    await until(() => !workers.some(isAlive), START,
      'workers of the old master gone');
    process.kill(old, 'SIGQUIT');
    await until(() => !isAlive(old), START, 'the old master gone');
  }

  async stop(signal = 'SIGQUIT') {
    if (this.all().length === 0) {
      return;
    }

    if (signal === 'SIGKILL') {
      process.kill(-this.#group, signal);
    } else {
      process.kill(this.master, signal);
    }

    await until(() => this.all().length === 0, START,
      `nginx gone after ${signal}`);
    groups.delete(this.#group);
  }

  /* The end. What went wrong stays on disk, to be looked at. */
  async close() {
    const faults = [];

    try {
      await this.stop();
    } catch (error) {
      faults.push(error.message);
      process.kill(-this.#group, 'SIGKILL');
    }

    faults.push(...this.log.faults());

    return faults;
  }

  remove() {
    fs.rmSync(this.prefix, { recursive: true, force: true });
  }

  #group = 0;

  #arguments() {
    return ['-p', this.prefix, '-c', this.file('nginx.conf'),
      '-e', this.file('error.log')];
  }

  #readPid(name) {
    try {
      return parseInt(fs.readFileSync(this.file(name), 'utf8'), 10) || null;
    } catch {
      return null;
    }
  }

  #untilWorkers(master) {
    const wanted = this.site.workers ?? 2;

    return until(() => this.workers(master).length === wanted, START,
      `${wanted} workers of ${master}`);
  }

  #makeCertificate() {
    execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt',
      'ec_paramgen_curve:prime256v1', '-nodes', '-subj', '/CN=localhost',
      '-days', '2', '-keyout', this.file('site.key'),
      '-out', this.file('site.crt')], { stdio: 'ignore' });
  }
}
