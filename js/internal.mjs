/**
 * What the parts of the client call each other by, and nobody else: the build
 * makes one letter of each.  So none may be a name of the API, of what is sent
 * or stored, or of what is used of the browser (test/package.test.mjs looks).
 */
export default [
  'accepted', 'again', 'ago', 'armed', 'asks', 'check', 'claim', 'clock', 'counting', 'deny', 'depart', 'doubt', 'elsewhere', 'emit', 'enter',
  'evidence', 'exit', 'fail', 'failures', 'farewell', 'follow', 'follower', 'forget', 'hold', 'ignore', 'init', 'jitter', 'kind', 'last',
  'lastId', 'late', 'left', 'linked', 'listen', 'mark', 'note', 'options', 'recall', 'renew', 'reopen', 'report', 'rest', 'routed', 'rtt',
  'server', 'settle', 'slept', 'soon', 'stage', 'staged', 'store', 'sync', 'tell', 'thawed', 'touched', 'transport', 'turned', 'unstage', 'wall',
];
