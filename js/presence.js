/**
 * Browser client of ngx_http_presence_module, as its sources: serve the folder
 * `src` beside this file.  The package has it as one file.
 *
 * @module
 */
export * from './src/presence.js';
