/** What `snk run --once` prints of its run, and the code it ends with (pure). */
import type { OnceLink, OnceReport } from '../link/carry-once.ts';

/** 1: not all is over, or a row is parked, or a conflict was settled; 69: nothing is, since no database can be reached. */
export function onceCode({ complete, links }: OnceReport): number {
  if (complete) return 0;
  return links.every(({ reason }) => reason?.code === 'SNK_UNREACHABLE') ? 69 : 1;
}

const counts = ['created', 'updated', 'deleted', 'conflicts', 'parked', 'files', 'seconds'] as const;

/** A line for each link, one for all of them where there are several, and one for each that is not done. */
export function onceLines(report: OnceReport): string[] {
  const { links } = report;
  const rows = [
    ['link', ...counts, ''],
    ...links.map((link) => [link.name, ...counts.map((name) => String(link[name])), stateOf(link)]),
    ...(links.length > 1 ? [['all', ...counts.map((name) => String(report[name])), '']] : []),
  ];
  const widths = rows[0]?.map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0))) ?? [];
  const reasons = links.flatMap(({ name, reason }) =>
    reason === null
      ? []
      : [
          `${name}: ${reason.message} [${reason.code}]`,
          ...(reason.hint === null ? [] : [`  ${reason.hint}`]),
        ],
  );
  const lines = rows.map((row) =>
    row
      .map((text, i) =>
        i === 0 || i > counts.length ? text.padEnd(widths[i] ?? 0) : text.padStart(widths[i] ?? 0),
      )
      .join('  ')
      .trimEnd(),
  );
  return [...lines, ...reasons];
}

function stateOf({ done }: OnceLink): string {
  return done ? 'done' : 'not done';
}
