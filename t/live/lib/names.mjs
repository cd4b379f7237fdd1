// Whom nginx' resolver asks: a server of names (DNS, RFC 1035), with what it is
// told to say.

import dgram from 'node:dgram';
import { once } from 'node:events';

const HEADER = 12;
const A = 1;
const NO_SUCH_NAME = 3;

export class Names {
  asked = 0;

  /* addresses: { name: IPv4 address } */
  static async start(addresses) {
    const names = new Names();

    names.#addresses = new Map(Object.entries(addresses));
    names.#socket = dgram.createSocket('udp4');
    names.#socket.on('message', (query, from) => names.#socket.send(
      names.#answer(query), from.port, from.address));
    names.#socket.bind(0, '127.0.0.1');
    await once(names.#socket, 'listening');

    return names;
  }

  get port() {
    return this.#socket.address().port;
  }

  set(name, address) {
    this.#addresses.set(name, address);
  }

  close() {
    this.#socket.close();
  }

  #answer(query) {
    const labels = [];
    let at = HEADER;

    while (query[at]) {
      labels.push(query.toString('latin1', at + 1, at + 1 + query[at]));
      at += 1 + query[at];
    }

    const question = query.subarray(HEADER, at + 5);
    const address = query.readUInt16BE(at + 1) === A
      && this.#addresses.get(labels.join('.'));
    const header = Buffer.from(query.subarray(0, HEADER));

    this.asked++;
    header.writeUInt16BE(0x8180 | (address ? 0 : NO_SUCH_NAME), 2);
    header.fill(0, 6);
    header.writeUInt16BE(address ? 1 : 0, 6);

    /* its name is where the question has it; good for a second */
    return Buffer.concat([header, question, ...address ? [Buffer.from(
      [0xc0, HEADER, 0, A, 0, 1, 0, 0, 0, 1, 0, 4, ...address.split('.')])]
      : []]);
  }

  #addresses;
  #socket;
}
