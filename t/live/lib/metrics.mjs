// What presence_metrics says: text in, values out, and whether it may say so.

import { spawnSync } from 'node:child_process';

import { binary } from './prometheus.mjs';
import { text } from './wire.mjs';

const SAMPLE = /^([a-z_]+)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-z_]+)="((?:[^"\\]|\\.)*)",?/g;

export class Metrics {
  constructor(exposition) {
    this.text = exposition;
    this.samples = exposition.split('\n')
      .filter((line) => line && !line.startsWith('#'))
      .map((line) => {
        const [, name, labels = '', value] = SAMPLE.exec(line);

        return {
          name, value: +value,
          labels: Object.fromEntries([...labels.matchAll(LABEL)]
            .map(([, key, word]) => [key, word])),
        };
      });
  }

  /* The sum of the samples that have these labels. */
  get(name, labels = {}) {
    return this.samples
      .filter((s) => s.name === name && Object.entries(labels)
        .every(([key, value]) => s.labels[key] === value))
      .reduce((sum, s) => sum + s.value, 0);
  }

  /* { labelValue: value } of those that are not 0. */
  by(label, name) {
    const all = {};

    for (const s of this.samples.filter((x) => x.name === name && x.value)) {
      all[s.labels[label]] = (all[s.labels[label]] ?? 0) + s.value;
    }

    return all;
  }

  /* What "promtool check metrics" has to say; '' if nothing. */
  lint() {
    const { stdout, stderr, status } = spawnSync(binary('promtool'),
      ['check', 'metrics'], { input: this.text, encoding: 'utf8' });

    return status === 0 ? `${stdout}${stderr}`
      : `exit code ${status}: ${stdout}${stderr}`;
  }
}

export async function scrape(wire, path = '/metrics') {
  const reply = await wire.open({ path, timeout: 5000 });
  const body = await text(reply.body);

  if (reply.status !== 200) {
    throw new Error(`metrics: ${reply.status} ${body}`);
  }

  return new Metrics(body);
}
