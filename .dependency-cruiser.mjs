// The layer rule: a change walks config -> capture -> read -> map -> apply -> link; arrows only point back to
// what a room builds on. See ARCHITECTURE.md.
const rooms = {
  errors: [],
  db: ['errors'],
  telemetry: ['errors'],
  service: ['errors', 'telemetry'],
  config: ['errors', 'topology'],
  topology: ['errors'],
  capture: ['errors', 'db', 'telemetry', 'topology'],
  read: ['errors', 'db', 'telemetry', 'topology'],
  map: ['errors', 'db', 'telemetry', 'topology'],
  apply: ['errors', 'db', 'telemetry', 'topology', 'read', 'map'],
  link: ['errors', 'db', 'telemetry', 'service', 'topology', 'capture', 'read', 'map', 'apply'],
  verify: ['errors', 'db', 'telemetry', 'service', 'topology', 'read', 'map', 'apply'],
};
const room = (name) => (name === 'errors' ? '^src/errors\\.ts$' : `^src/${name}/`);
const only = Object.entries(rooms).map(([name, allowed]) => ({
  name: `layer-${name}`,
  severity: 'error',
  from: { path: room(name), pathNot: '\\.test\\.ts$' },
  to: { path: '^src/', pathNot: [room(name), ...allowed.map(room)] },
}));

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [
    ...only,
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true, dependencyTypesNot: ['type-only'] } },
    { name: 'tst-stands-alone', severity: 'error', from: { path: '^src/tst/' }, to: { path: '^(src|migrations)/', pathNot: '^src/tst/' } },
    { name: 'nobody-imports-tst', severity: 'error', from: { pathNot: '^src/tst/' }, to: { path: '^src/tst/' } },
    { name: 'snk-knows-no-face', severity: 'error', from: { path: '^src/(snk|index)\\.ts$' }, to: { path: '^src/(cli|dev|http)/' } },
    { name: 'only-the-orm-talks-to-postgres', severity: 'error', from: { path: '^src/(?!dev/)' }, to: { path: '^node_modules/(pg|postgres|pg-.*)/', dependencyTypesNot: ['type-only'] } },
  ],
  options: { tsPreCompilationDeps: true, doNotFollow: { path: 'node_modules' }, enhancedResolveOptions: { extensions: ['.ts', '.js'] } },
};
