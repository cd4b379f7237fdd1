// The end of a visit, by the user's own word: nothing late brings it back.

import assert from 'node:assert/strict';

import { scenario } from './lib/scenario.mjs';
import { SECOND, SLOW, scaled } from './lib/scale.mjs';
import { pass } from './lib/wait.mjs';

const zone = { ...scaled(SLOW), leave_grace: SLOW(40) };


scenario('a beat sent before the logout comes after it: nobody is back',
  { zone }, async (scene) => {
    const dash = await scene.dashboard();

    await scene.beat('ann', { doc: 'd1', seq: 1 });
    await scene.beat('ann', { doc: 'd1', seq: 3, logout: true });

    const late = await scene.beat('ann', { doc: 'd1', seq: 2 });

    assert.equal(late.body.status, 'offline');
    assert.equal(late.body.deadline_ms, 0);
    assert.equal((await scene.member('ann')).sessions, 0);

    await pass(zone.leave_grace + zone.interval);
    assert.deepEqual(dash.news('ann'), ['enter', 'leave']);
    assert.equal((await scene.member('ann')).reason, 'logout');
  });


scenario('a login in the same page after a logout is a new visit',
  { zone }, async (scene) => {
    const dash = await scene.dashboard();

    await scene.beat('ann', { doc: 'd1', seq: 1 });
    await scene.beat('ann', { doc: 'd1', seq: 2, logout: true });

    const back = await scene.beat('ann', { doc: 'd1', seq: 3 });

    assert.equal(back.body.status, 'online');
    assert.equal(back.body.recovered, null);
    await dash.waitForChange('ann', 'enter', SECOND);
    await pass(zone.leave_grace - zone.interval);

    assert.equal((await scene.member('ann')).status, 'online');
  });


scenario('a logout in one tab ends the others, and the requests before it',
  { zone, location: 'presence_touch agents;' }, async (scene) => {
    const dash = await scene.dashboard();

    await scene.beat('ann', { session: 'tab-1' });
    await scene.beat('ann', { session: 'tab-2' });
    await scene.beat('ann', { session: 'tab-1', logout: true });

    const leave = await dash.waitForChange('ann', 'leave', SECOND);

    assert.equal(leave.member.reason, 'logout');
    assert.equal(leave.member.sessions, 0);
  });
