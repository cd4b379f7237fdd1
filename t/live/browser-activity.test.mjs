// What a person does, as the server's last_active and status tell of it.

import assert from 'node:assert/strict';

import { Chromium } from './lib/chromium.mjs';
import { SOON, visits } from './lib/visit.mjs';
import { until } from './lib/wait.mjs';

const visit = visits(Chromium);

const IDLE = 2500;
const zone = { idle: IDLE };


visit('idle without input, and back at the first key', { zone },
  async (visit) => {
    const tab = await visit.agent();
    const away = await visit.dash.waitFor(() => visit.dash.of('ann')
      .find(({ member }) => member.status === 'away'), SOON, 'ann is away');

    assert.equal(away.type, 'update');
    assert.equal(away.member.reason, 'idle');
    assert.ok(away.member.since >= away.member.last_active + IDLE - 50);
    await visit.beatsOn(3);
    assert.equal((await visit.member()).status, 'away');

    await tab.press();

    const back = await visit.dash.waitFor(() => visit.dash.of('ann')
      .slice(visit.dash.of('ann').indexOf(away))
      .find(({ member }) => member.status === 'online'), SOON, 'ann is back');

    assert.equal(back.member.reason, 'activity');
    assert.ok(back.member.last_active > away.at);
    await visit.assertNeverOffline();
  });


const ACTS = {
  'a key': (tab) => tab.press(),
  'a move of the pointer': async (tab) => {
    await tab.point(20, 20);
    await tab.point(40, 30);
  },
  'the wheel': (tab) => tab.wheel(),
  'a route': (tab) => tab.run(() => history.pushState(null, '', '#/chats/7')),
  'a fetch': (tab) => tab.run(() => { fetch('/app/chats/7'); }),
  'an XMLHttpRequest': (tab) => tab.run(() => {
    const request = new XMLHttpRequest();

    request.open('GET', '/app/notes/7');
    request.send();
  }),
  'a word of the application': (tab) => tab.run(() => presence.touch()),
};

visit('input, routes and calls of the application are activity', {},
  async (visit) => {
    const tab = await visit.agent({ activity: { throttle: 50 } });

    for (const [what, act] of Object.entries(ACTS)) {
      const since = Date.now();

      await act(tab);
      await until(async () => (await visit.member()).last_active >= since,
        SOON, `${what} is activity\n${visit.beats.story(5)}`);
    }

    await visit.assertNeverOffline();
  });


visit('what a page does by itself is no activity', { zone },
  async (visit) => {
    const tab = await visit.agent();

    await tab.run(() => {
      setInterval(() => {
        fetch('/app/poll');
        scrollTo(0, Math.random() * 100);
        document.body.dispatchEvent(
          new KeyboardEvent('keydown', { key: 'a', bubbles: true }));
      }, 200);
    });
    await visit.dash.waitFor(() => visit.dash.of('ann')
      .find(({ member }) => member.status === 'away'), SOON, 'ann is away');
    await visit.beatsOn(6);
    assert.equal((await visit.member()).status, 'away');
  });
