// Every beat that nginx took, as its access log has it.

import fs from 'node:fs';

import { until } from './wait.mjs';

/* For the http block, and for a location of beats. */
export const BEAT_FORMAT = `
    log_format beats escape=json '{"at":$msec,"from":"$remote_addr",'
        '"connection":$connection,"uri":"$uri",'
        '"user":"$cookie_user","status":$status,'
        '"request":"$request_id","cause":"$presence_cause",'
        '"body":"$request_body"}';
`;
export const BEAT_LOG = 'access_log beats.log beats;';

export class BeatLog {
  /* path: of the file. */
  constructor(path) {
    this.#path = path;
  }

  /* [{ at, from, connection, user, status, request, cause, …the beat's own
     members }], oldest first; those that match all that is asked for. */
  all(wanted = {}) {
    this.#read();

    return this.#beats.filter((beat) => Object.entries(wanted)
      .every(([name, value]) => beat[name] === value));
  }

  /* Until there are more beats of that kind than there were before. */
  next(wanted, ms, before = this.all(wanted).length) {
    return until(() => this.all(wanted)[before], ms,
      `a beat with ${JSON.stringify(wanted)}\n${this.story()}`);
  }

  story(n = 30) {
    return this.all().slice(-n).map(({ at, status, body }) =>
      `  ${at} ${status} ${body}`).join('\n');
  }

  #read() {
    const text = fs.existsSync(this.#path)
      ? fs.readFileSync(this.#path, 'utf8') : '';
    const end = text.lastIndexOf('\n') + 1;
    const requests = text.slice(this.#end, end).split('\n').slice(0, -1)
      .map(parse);

    this.#end = end;
    this.#beats.push(...requests.filter(({ uri }) => uri.endsWith('/beat')));
  }

  #path;
  #end = 0;
  #beats = [];
}

function parse(line) {
  const { at, ...request } = JSON.parse(line);
  const beat = request.body ? JSON.parse(request.body) : {};

  /* what was asked in the body never hides what the server says itself */
  return { ...beat, ...request, at: Math.round(at * 1000) };
}
