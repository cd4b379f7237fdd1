// What goes in and out of a Presence.

/** @typedef {import('./members.js').Status} Status */
/** @typedef {import('./members.js').Member} Member */
/** @typedef {import('./members.js').Counts} Counts */
/** @typedef {import('./members.js').Filter} Filter */
/** @typedef {import('./feed.js').Live} Live */
/** @typedef {import('./env.js').Environment} Environment */
/** @typedef {import('./activity.js').ActivityOptions} ActivityOptions */

/** @typedef {'online'|'busy'|'dnd'|'away'|'invisible'} ManualStatus  `online` returns to the automatic one */
/** @typedef {'stopped'|'starting'|'online'|'retrying'|'denied'|'leaving'} Link */
/** @typedef {'active'|'idle'|'background'|'frozen'} ActivityState */
/** @typedef {'stopped'|'starting'|'online'|'idle'|'background'|'frozen'|'retrying'|'denied'|'leaving'} State */

/**
 * @typedef {object} Reply  the answer to a beat (docs/protocol.md)
 * @property {string} user
 * @property {string} session
 * @property {Status|'invisible'} status  the user's own view
 * @property {ManualStatus|null} manual
 * @property {number|null} until
 * @property {number} interval_ms
 * @property {number} max_interval_ms
 * @property {number} idle_ms
 * @property {number} deadline_ms
 * @property {number} server_time
 * @property {number|null} seq
 * @property {{reason: string, at: number|null}|null} recovered
 */

/**
 * @typedef {object} OwnOptions
 * @property {string} [url='/presence/']  prefix of the drop-in location
 * @property {boolean} [beat=true]        false: only look on
 * @property {boolean|'self'} [stream=true]  false: none; 'self': only what is about the own user
 * @property {() => string|Promise<string>} [token]  for `Authorization: Bearer`; asked again once when refused
 * @property {string} [user]              whom this page is for, where that is known
 * @property {object} [meta]              anything of the application's, shown to others
 * @property {boolean|string|URL} [worker=true]  URL of the worker's file; true: made of a blob; false: none
 * @property {boolean} [keepAwake=true]   keep the browser from freezing the page
 * @property {boolean} [leave=true]       say so when the page goes
 * @property {ActivityOptions|boolean} [activity=true]
 * @property {number} [timeout=8000]      of one request, ms
 * @property {RequestCredentials} [credentials='same-origin']
 * @property {boolean|((...args: any[]) => void)} [debug=false]
 * @property {Partial<Environment>} [env]
 */

/** @typedef {OwnOptions & Filter} Options */

/**
 * What an application draws.  Never changed, replaced when something is
 * different.
 *
 * @typedef {object} Snapshot
 * @property {State} state
 * @property {Link} link
 * @property {ActivityState} activity
 * @property {Live} live
 * @property {boolean} ready     has there been a state or a count yet?
 * @property {string|null} user
 * @property {string|undefined} session
 * @property {Status|'invisible'|null} status  the user's own view
 * @property {ManualStatus|null} manual
 * @property {number|null} until
 * @property {boolean} pending   is a status by hand still to be told?
 * @property {ReadonlyMap<string, Member>} members
 * @property {Readonly<Counts>} counts
 */

/**
 * What a Presence lends to its parts.
 *
 * @typedef {object} Host
 * @property {import('./presence.js').Presence} presence
 * @property {Environment} env
 * @property {import('./clock.js').Clock} clock
 * @property {import('./transport.js').Transport} transport
 * @property {import('./evidence.js').Evidence} evidence
 * @property {Options & {timeout: number}} options
 * @property {string} key  of storage, channels and locks
 * @property {(type: string, detail: object) => void} emit  an event
 * @property {(type: string, text: string) => void} note    a line of the log
 * @property {() => void} tell    the snapshot may have changed
 */

export {};
