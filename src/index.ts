/** The library: `import { defineConfig, twoWay, Snk } from 'snk'`. */
export { defineConfig, parseConfig, type Config, type UserConfig } from './config/config.ts';
export { loadConfig, loadDotEnv } from './config/load-config.ts';
export { FaultsError, SnkError, type Fate, type Fault, type SerializedError } from './errors.ts';
export type { LinkStatus, NodeStatus, Status } from './link/status.ts';
export type { Plan } from './link/plan.ts';
export { Snk, type RunOptions } from './snk.ts';
export type { LinkState, SnkEvents } from './telemetry/events.ts';
export {
  oneWay,
  twoWay,
  type Flow,
  type Link,
  type LinkDeclaration,
  type Node,
  type Topology,
} from './topology/topology.ts';
export type { Hop, Trace } from './verify/trace.ts';
export type { TableReport, VerifyOptions, VerifyReport } from './verify/verify.ts';
