// Processes, as /proc tells of them.

import fs from 'node:fs';

function read(path) {
  try {
    return fs.readFileSync(path, 'utf8');
  } catch {
    return null;    /* it went away between two looks */
  }
}

function stat(pid) {
  const text = read(`/proc/${pid}/stat`);

  if (text === null) {
    return null;
  }

  /* the name in brackets may itself have spaces and brackets */
  const [state, parent, group] = text.slice(text.lastIndexOf(')') + 2)
    .split(' ');

  return { pid, state, parent: +parent, group: +group };
}

export function processes() {
  return fs.readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => stat(+name))
    .filter((p) => p && p.state !== 'Z' && p.state !== 'X');
}

export const isAlive = (pid) => !'ZX'.includes(stat(pid)?.state ?? 'X');
export const isStopped = (pid) => stat(pid)?.state === 'T';
export const commandLine = (pid) =>
  (read(`/proc/${pid}/cmdline`) ?? '').replaceAll('\0', ' ');
export const openFiles = (pid) => fs.readdirSync(`/proc/${pid}/fd`).length;

/* Bytes of memory that belong to this process alone: the zone is not. */
export function ownMemory(pid) {
  return 1024 * /RssAnon:\s+(\d+) kB/.exec(read(`/proc/${pid}/status`))[1];
}

/* Has the connection from that port been accepted, and all that came on it
   been read? */
export function hasRead(port, from) {
  const hex = (n) => n.toString(16).toUpperCase().padStart(4, '0');

  return read('/proc/net/tcp').split('\n').map((l) => l.trim().split(/\s+/))
    .some(([, local, remote, , queues, , , , , inode]) => inode !== '0'
      && local?.endsWith(`:${hex(port)}`) && remote.endsWith(`:${hex(from)}`)
      && queues.endsWith(':00000000'));
}
