// A small server for pages that try the browser's side alone: files of js/ and
// of t/live/pages/, under a policy that allows nothing but them.

import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { once } from 'node:events';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const TYPES = { '.html': 'text/html', '.js': 'text/javascript',
  '.css': 'text/css', '.svg': 'image/svg+xml' };

export const STRICT = "default-src 'none'; script-src 'self'; style-src 'self';"
  + " connect-src 'self'; img-src 'self'; require-trusted-types-for 'script'";

export class Pages {
  /* What is under a prefix comes from that folder; the longest goes first. */
  static async serve(folders = {}) {
    const pages = new Pages({ '/js/': path.join(ROOT, 'js'),
      '/': path.join(ROOT, 't/live/pages'), ...folders });

    pages.#server.listen(0, '127.0.0.1');
    await once(pages.#server, 'listening');

    return pages;
  }

  constructor(folders) {
    this.#folders = Object.entries(folders)
      .sort(([a], [b]) => b.length - a.length);
  }

  url(name) {
    return `http://127.0.0.1:${this.#server.address().port}/${name}`;
  }

  stop() {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  #server = createServer(async (request, response) => {
    const name = new URL(request.url, 'http://x').pathname;
    const [prefix, folder] = this.#folders
      .find(([start]) => name.startsWith(start));
    const file = path.join(folder, name.slice(prefix.length));

    try {
      const content = await readFile(file);

      response.writeHead(200, { 'Content-Security-Policy': STRICT,
        'Content-Type': `${TYPES[path.extname(file)]}; charset=utf-8` });
      response.end(content);
    } catch {
      response.writeHead(404).end();
    }
  });

  #folders;
}
