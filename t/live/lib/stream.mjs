// A reader of presence_stream: keeps what it was told, connects again with its
// last id, and notes all that a stream must never say.

import { EventEmitter } from 'node:events';

import { Frames } from './frames.mjs';
import { Members } from './members.mjs';
import { headersOf } from './person.mjs';
import { text, wireTo } from './wire.mjs';

/* Before the server has named a time. */
const RETRY = 50;

export class Stream {
  /* options: { target, person, query, lastEventId, reconnect, headers } */
  static async open(options) {
    const stream = new Stream(options);

    await stream.#connect();

    return stream;
  }

  constructor({ target, person = {}, query = {}, lastEventId, headers = {},
    reconnect = false }) {
    const named = new Set((query.users ?? '').split(','));

    this.members = new Members((user) => named.has(user)
      || query.include === 'offline');
    this.target = target;
    this.person = person;
    this.query = query;
    this.headers = headers;
    this.reconnect = reconnect;
    this.lastId = lastEventId;
  }

  target;
  members;
  lastId;
  status;             /* of the last connection's reply */
  worker;             /* that serves it */
  problem = '';       /* the reply's body when it is no stream */
  connected = false;
  retry = null;
  count = null;
  connections = [];   /* [{ since, until, clean, resumedFrom, first }] */
  changes = [];       /* [{ at, id, type, member, isNews, serverTime }] */
  states = [];        /* [{ at, id, members, lost, gained }] */
  counts = [];        /* [{ at, id, … }] */
  pings = [];         /* [{ at, serverTime }] */
  faults = [];

  /* Changes of one user. */
  of(user) {
    return this.changes.filter((c) => c.member.user === user);
  }

  /* Who entered and who left, by changes or as a later state showed, in the
     order in which it was told. */
  passages(user) {
    return this.#passages.filter((p) => p.user === user).map((p) => p.type);
  }

  kinds(user) {
    return this.of(user).map((c) => c.type);
  }

  /* Kinds of a user's changes but those in which nothing but the number of
     missed beats is new. */
  news(user) {
    return this.of(user).filter((c) => c.isNews).map((c) => c.type);
  }

  /* Until the condition holds; resolves with what it returned. */
  waitFor(condition, ms, what) {
    return new Promise((done, fail) => {
      const look = () => {
        const value = condition(this);

        if (value) {
          clearTimeout(timer);
          this.#told.off('event', look);
          done(value);
        }
      };
      const timer = setTimeout(() => {
        this.#told.off('event', look);
        fail(new Error(`not within ${ms} ms on the stream: ${what}\n`
          + this.story()));
      }, ms);

      this.#told.on('event', look);
      look();
    });
  }

  waitForChange(user, type, ms, after = 0) {
    return this.waitFor(
      () => this.of(user).slice(after).find((c) => c.type === type), ms,
      `${type} of "${user}"`);
  }

  /* Stop reading: the kernel's buffers fill, then the server has to wait. */
  pause() {
    this.#body.pause();
  }

  resume() {
    this.#body.resume();
  }

  /* The network goes: no farewell is said. */
  cut() {
    this.connections.at(-1).cut = true;
    this.#socket.destroy();
  }

  /* Connects again after a cut, when it does not by itself. */
  again(lastEventId = this.lastId) {
    this.lastId = lastEventId;

    return this.#connect();
  }

  close() {
    this.reconnect = false;
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#socket?.destroy();
    this.#wire?.close();
  }

  /* The last things that it was told, for a person to read. */
  story(n = 20) {
    return this.changes.slice(-n).map((c) => `  ${c.at} ${c.id} ${c.type} `
      + `${c.member.user} ${c.member.status} missed ${c.member.missed} `
      + `${c.member.reason}`).join('\n');
  }

  async #connect() {
    const resumedFrom = this.lastId;

    this.#wire = wireTo(this.target);

    const reply = await this.#wire.open({
      path: `/presence/stream?${new URLSearchParams(this.query)}`,
      headers: {
        accept: 'text/event-stream',
        ...headersOf(this.person),
        ...(resumedFrom && { 'last-event-id': resumedFrom }),
        ...this.headers,
      },
    });

    this.status = reply.status;
    this.replyHeaders = reply.headers;
    this.worker = +reply.headers['x-worker'];

    if (reply.status !== 200) {
      this.problem = await text(reply.body);
      this.#wire.close();
      return;
    }

    this.#read(reply, {
      since: Date.now(), resumedFrom, worker: this.worker, first: null,
    });
  }

  #read(reply, connection) {
    const frames = new Frames((event) => this.#event(event, connection));
    const wire = this.#wire;
    let clean = false;

    this.connections.push(connection);
    this.connected = true;
    this.#body = reply.body;
    this.#socket = reply.socket;
    this.#pending = null;

    reply.body.setEncoding('utf8');
    reply.body.on('data', (chunk) => frames.push(chunk));
    reply.body.on('end', () => {
      clean = true;
    });
    reply.body.on('error', () => { /* told as not clean */ });
    reply.body.on('close', () => {
      Object.assign(connection,
        { until: Date.now(), clean, whole: frames.isWhole });
      wire.close();
      this.connected = false;
      this.#told.emit('event');
      this.#connectLater();
    });
  }

  #connectLater() {
    if (!this.reconnect) {
      return;
    }

    this.#timer = setTimeout(async () => {
      try {
        await this.#connect();

        if (this.status !== 200) {
          this.#connectLater();
        }
      } catch {
        this.#wire.close();
        this.#connectLater();
      }
    }, this.retry ?? RETRY);
  }

  #event({ event, id, data, retry, ...rest }, connection) {
    const at = Date.now();
    let body = null;

    if (this.#closed || connection.cut) {
      return;    /* it was under way, but nobody reads it now */
    }

    if (Object.keys(rest).length > 0) {
      this.faults.push(`fields "${Object.keys(rest)}"`);
    }

    if (retry !== undefined) {
      this.retry = +retry;

      if (!/^\d+$/.test(retry) || this.retry > 2000) {
        this.faults.push(`retry "${retry}"`);
      }
    }

    if (data !== undefined) {
      body = JSON.parse(data);
      connection.first ??= event === 'ping' ? null : event;
      this.#apply(event, body, at, id);
    }

    if (id !== undefined) {
      this.#followId(event, id);
    }

    this.#told.emit('event');
  }

  #apply(event, body, at, id) {
    switch (event) {
      case 'presence_state':
        this.#state(body, at, id);
        break;
      case 'presence_diff':
        if (this.#pending || (this.states.length === 0 && !this.lastId)) {
          this.faults.push('a diff before the state was whole');
        }

        for (const change of body.changes) {
          const isNews = change.type !== 'update'
            || saysNews(change.member, this.members.get(change.member.user));
          const fault = this.members.apply(change);

          if (fault && !(change.member.since <= this.#blurred)) {
            this.faults.push(`${fault} (${id})`);
          }

          this.changes.push(
            { at, id, ...change, isNews, serverTime: body.server_time });

          if (change.type !== 'update') {
            this.#passed(change.type, [change.member.user]);
          }
        }

        break;
      case 'presence_count':
        this.count = body;
        this.counts.push({ at, id, ...body });
        break;
      case 'ping':
        this.pings.push({ at, serverTime: body.server_time });
        break;
      default:
        this.faults.push(`event "${event}"`);
    }
  }

  #state({ members, more, server_time: serverTime }, at, id) {
    const isFirst = this.#pending === null;

    this.#pending = [...this.#pending ?? [], ...members];
    this.stateEvents++;

    if (more !== (id === undefined)) {
      this.faults.push(`a state with more ${more} and id "${id}"`);
    }

    if (more) {
      return;
    }

    const { faults, lost, gained } = this.members.replace(this.#pending);

    this.#passed('leave', lost);
    this.#passed('enter', gained);

    this.#blurred = isFirst ? 0 : serverTime;

    this.faults.push(...faults);
    this.states.push(
      { at, id, members: this.#pending, lost, gained, serverTime });
    this.#pending = null;
  }

  #passed(type, users) {
    this.#passages.push(...users.map((user) => ({ type, user })));
  }

  stateEvents = 0;

  #followId(event, id) {
    const [epoch, seq] = split(id);
    const [lastEpoch, lastSeq] = split(this.lastId ?? '');

    if (!Number.isInteger(seq)) {
      this.faults.push(`id "${id}"`);
    } else if (event === 'presence_diff') {
      if (this.lastId !== undefined
        && (epoch !== lastEpoch || seq <= lastSeq)) {
        this.faults.push(`id "${id}" after "${this.lastId}"`);
      }
    } else if (epoch === lastEpoch && seq < lastSeq) {
      this.faults.push(`id "${id}" of ${event} after "${this.lastId}"`);
    }

    this.lastId = id;
  }

  #told = new EventEmitter().setMaxListeners(0);
  #wire;
  #body;
  #socket;
  #timer;
  #pending = null;
  #passages = [];
  #closed = false;

  /* A state in parts is no picture of one instant: it may have changes of up
     to this time that are told after it. */
  #blurred = 0;
}

/* More than another number of missed beats? Where that is the same, there has
   to be a reason for the update, and no reason is news as well. */
function saysNews(member, known) {
  const said = ({ status, groups, text, meta } = {}) =>
    JSON.stringify([status, groups, text, meta]);

  return said(member) !== said(known) || member.missed === known.missed;
}

function split(id) {
  const [, epoch, seq] = /^(.+)-(\d+)$/.exec(id) ?? [];

  return [epoch, seq === undefined ? NaN : +seq];
}
