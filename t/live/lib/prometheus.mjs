// One Prometheus of our own, on loopback.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { freePort } from './ports.mjs';
import { until, within } from './wait.mjs';

const BUILD = fileURLToPath(new URL('../../../build/', import.meta.url));
const PRIVATE = path.join(BUILD, 'prometheus/usr/bin');
const START = 60_000;

export function binary(name) {
  const unpacked = path.join(PRIVATE, name);

  return fs.existsSync(unpacked) ? unpacked : name;
}

export class Prometheus {
  /* Scrapes http://127.0.0.1:port/path of all ports, each "every"
     milliseconds. */
  static async start({ ports, path: metricsPath, every, rules }) {
    const prometheus = new Prometheus(await freePort());

    await prometheus.#run({ ports, metricsPath, every, rules });

    return prometheus;
  }

  constructor(port) {
    this.port = port;
    this.dir = fs.mkdtempSync(path.join(BUILD, 'live', 'prometheus-'));
  }

  /* The result of a PromQL expression, now. */
  async query(expression) {
    const { data } = await this.#ask('query', { query: expression });

    return data.result;
  }

  rules() {
    return this.#ask('rules').then(({ data }) =>
      data.groups.flatMap((group) => group.rules));
  }

  async stop() {
    this.#process.kill('SIGTERM');
    await within(this.#exit, START, 'the end of Prometheus');
    fs.rmSync(this.dir, { recursive: true, force: true });
  }

  async #run({ ports, metricsPath, every, rules }) {
    const config = path.join(this.dir, 'prometheus.yml');

    fs.writeFileSync(config, `
global:
  scrape_interval: ${every}ms
  scrape_timeout: ${every}ms
  evaluation_interval: ${every}ms
rule_files: ${JSON.stringify(rules ?? [])}
scrape_configs:
  - job_name: presence
    metrics_path: ${metricsPath}
    static_configs:
      - targets: ${JSON.stringify(ports.map((port) => `127.0.0.1:${port}`))}
`);
    this.#process = spawn(binary('prometheus'), [
      `--config.file=${config}`,
      `--storage.tsdb.path=${path.join(this.dir, 'data')}`,
      `--web.listen-address=127.0.0.1:${this.port}`,
      '--log.level=warn',
    ], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#exit = once(this.#process, 'exit');
    this.#process.stdout.on('data', (text) => { this.#said += text; });
    this.#process.stderr.on('data', (text) => { this.#said += text; });
    process.on('exit', () => this.#process.kill('SIGKILL'));

    await until(async () => {
      if (this.#process.exitCode !== null) {
        throw new Error(`Prometheus has ended: ${this.#said}`);
      }

      try {
        return (await this.query('up')).some((s) => s.value[1] === '1');
      } catch {
        return false;
      }
    }, START, `a first scrape\n${this.#said}`);
  }

  async #ask(what, values = {}) {
    const reply = await fetch(`http://127.0.0.1:${this.port}/api/v1/${what}?`
      + new URLSearchParams(values));
    const answer = await reply.json();

    if (answer.status !== 'success') {
      throw new Error(`${what} ${JSON.stringify(values)}: ${answer.error}`);
    }

    return answer;
  }

  #process;
  #exit;
  #said = '';
}
