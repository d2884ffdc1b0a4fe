/** The library: `import { defineConfig, twoWay, Snk } from 'snk'`. */
export { defineConfig, parseConfig, type Config, type UserConfig } from './config/config.ts';
export { loadConfig, loadDotEnv } from './config/load-config.ts';
export { FaultsError, SnkError, type Fate, type Fault, type SerializedError } from './errors.ts';
export type { KeyInfo, NewKey, RotateOptions } from './keys/keys.ts';
export type { LinkStatus } from './link/link-status.ts';
export type { NodeStatus, Status } from './link/status.ts';
export type { Elsewhere } from './links-here.ts';
export type { Plan } from './link/plan.ts';
export type { Conflict, ConflictInFull, ParkedRow, Version } from './link/set-aside.ts';
export type { MapRow, MappedRow, MappedValue } from './map/map-rows.ts';
export type { ChooseVersion, TextRow } from './map/module.ts';
export type { OnceLink, OnceReport } from './link/carry-once.ts';
export { Snk, type Gauges, type RunOnceOptions, type RunOptions } from './snk.ts';
export type { LinkState, SnkEvents } from './telemetry/events.ts';
export {
  oneWay,
  twoWay,
  type ConflictPolicy,
  type Flow,
  type FlowOptions,
  type Link,
  type LinkDeclaration,
  type Node,
  type Topology,
} from './topology/topology.ts';
export type { LastVerification } from './verify/last-verification.ts';
export type { Hop, Trace } from './verify/trace.ts';
export type { RepairOptions, RepairReport, RepairRow, RepairedTable } from './verify/repair.ts';
export type { TableDifference, TableReport, VerifyOptions, VerifyReport } from './verify/verify.ts';
