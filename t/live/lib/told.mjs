// What is told of a late beat, and where: the log, the access log, the
// metrics, the trace and its verdict.  All must say the same.

import assert from 'node:assert/strict';

import { scrape } from './metrics.mjs';
import { commands, run, verdicts } from './runbook.mjs';
import { until } from './wait.mjs';
import { text } from './wire.mjs';

/* Where they are told, for a server block. */
export const TOLD = `
        location = /metrics { presence_metrics agents; }
        location = /trace { presence_trace agents; }`;

const FIELD = /(\w+)=("(?:[^"\\]|\\.)*"|[^\s,]+)/g;

/* Of the module's lines in the log: [{ zone, user, gap, cause, … }]. */
export const lines = (log, kind) => log.lines(new RegExp(`presence ${kind} `))
  .map((line) => Object.fromEntries([...line.matchAll(FIELD)].map(
    ([, name, value]) => [name, value.startsWith('"') ? JSON.parse(value)
      : /^-?\d+$/.test(value) ? +value : value])));

/* { cause: how many }, of such lines. */
export const byCause = (told) => told.reduce((all, { cause }) =>
  ({ ...all, [cause]: (all[cause] ?? 0) + 1 }), {});

export const traceOf = async (wire, user) =>
  JSON.parse(await get(wire, `/trace?user=${user}`));

export const storyOf = (wire, user) =>
  get(wire, `/trace?user=${user}&format=text`);

/* Until a beat has come after a silence of so long, and has been told of as
   late by that cause, wherever late beats are. Returns the log's line. */
export async function late(scene, beats, cause, { gap, ms, user = 'ann' }) {
  const { log } = scene.nginx;
  const line = await until(() => lines(log, 'late')
    .find((told) => told.user === user && told.gap >= gap), ms,
  `a beat that is late after ${gap} ms of silence`);

  assert.equal(line.cause, cause, JSON.stringify(line));

  const [logged] = await until(() => {
    const all = beats.all({ request: line.request });

    return all.length > 0 && all;
  }, ms, 'the access log has that request');

  assert.equal(logged.cause, cause);
  assert.equal(logged.seq ?? -1, line.seq);

  const wire = scene.newWire('h1');
  const trace = await traceOf(wire, user);
  const traced = trace.sessions.flatMap((session) => session.beats)
    .find((beat) => Math.abs(beat.gap_ms - line.gap) <= 5);

  assert.ok(traced, JSON.stringify(trace));
  assert.equal(traced.cause, cause);
  assert.match(trace.verdict, new RegExp(`: ${cause}, for `));

  const story = await storyOf(wire, user);

  assert.match(story, new RegExp(`^"${user}" [^\n]*: ${cause}, for `));
  assert.match(story, new RegExp(` LATE: ${cause}[,\n]`));

  /* and an operator who knows no more than the runbook */
  const [ask] = commands('People who are there are shown as offline');
  const { said } = await run(ask, { nginx: scene.nginx, user });

  assert.ok(said.split('\n')[0].includes(`: ${cause}, for ${verdicts[cause]}`),
    said);

  const metrics = await scrape(wire);

  /* others may be late as well, on a machine under load */
  assert.deepEqual(metrics.by('cause', 'presence_late_beats_total'),
    byCause(lines(log, 'late')));

  return line;
}

/* A hidden page's beats explain themselves: the trace says of each what fired
   it, as it said itself, and that the next may be as long in coming as a
   hidden page's may; none is missing, and no silence is without a cause.
   Returns how many were fired by what. */
export async function explained(scene, beats, { user = 'ann', due, slack }) {
  const { sessions } = await traceOf(scene.newWire('h1'), user);
  const traced = sessions.flatMap((session) => session.beats);
  const logged = beats.all({ status: 200 });
  const fired = {};

  assert.ok(traced.length > 1, JSON.stringify(sessions));

  for (const [n, beat] of traced.entries()) {
    const what = JSON.stringify(beat);
    const itself = logged.find(({ at, diag }) => Math.abs(at - beat.at) < 200
      && diag?.fired === beat.fired);

    assert.equal(beat.kind, 'beat', what);
    assert.ok(itself, `${what} as in ${beats.story()}`);
    assert.equal(itself.visible, beat.visible, what);
    assert.equal(beat.hole, 0, what);
    assert.notEqual(beat.cause, 'unknown', what);

    if (!beat.visible) {
      /* kept to one in 64 */
      assert.ok(Math.abs(beat.due_ms - due) <= due / 64, what);
    }

    /* the newest is first: the one after said when this is due */
    assert.ok(beat.cause !== null || n === traced.length - 1
      || beat.gap_ms <= traced[n + 1].due_ms + slack, what);

    if (!beat.visible) {
      fired[beat.fired] = (fired[beat.fired] ?? 0) + 1;
    }
  }

  return fired;
}

/* The same of one who was called gone meanwhile: "silence" is the cause that
   was told then, and the beat that came back knows better. */
export async function recovered(scene, beats, cause, { silence, ...rest }) {
  const line = await late(scene, beats, cause, rest);
  const changes = lines(scene.nginx.log, 'change')
    .filter(({ user }) => user === line.user);
  const gone = changes.find(({ to }) => to === 'offline');
  const back = changes.find(({ reason }) => reason === 'recovered');

  assert.deepEqual([gone.to, gone.cause, back.to, back.cause],
    ['offline', silence, 'online', cause]);
  assert.equal(back.request, line.request);

  const wire = scene.newWire('h1');
  const trace = await traceOf(wire, line.user);
  const told = trace.changes.map((change) =>
    `${change.status} ${change.reason} ${change.cause}`);

  assert.ok(told.includes(`offline missed ${silence}`), told.join(', '));
  assert.ok(told.includes(`online recovered ${cause}`), told.join(', '));
  assert.match(trace.verdict, new RegExp(
    `was called gone by mistake until \\S+: ${cause}, for `));

  const metrics = await scrape(wire);

  assert.deepEqual(metrics.by('cause', 'presence_recovered_total'),
    byCause(changes.filter(({ reason }) => reason === 'recovered')));

  return line;
}

async function get(wire, path) {
  const reply = await wire.open({ path, timeout: 5000 });
  const said = await text(reply.body);

  assert.equal(reply.status, 200, said);

  return said;
}
