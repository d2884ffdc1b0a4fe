/** Progress of first copies on a terminal: a bar per link and table, with rows, rate and time left. */
import { MultiBar, Presets, type SingleBar } from 'cli-progress';
import type { Events } from '../telemetry/events.ts';

export function showBackfills(events: Events, stream: NodeJS.WriteStream = process.stderr): void {
  let multi: MultiBar | null = null;
  const bars = new Map<string, { bar: SingleBar; startedAt: number }>();
  events.on('backfill:progress', ({ link, table, rowsCompared, rowsEstimated, rowsCopied, done }) => {
    const name = `${link} ${table}`;
    multi ??= new MultiBar(
      {
        stream,
        hideCursor: true,
        format: '{name} {bar} {value}/{total} rows, {copied} copied, {rate} rows/s, {eta_formatted} left',
      },
      Presets.shades_grey,
    );
    const known = bars.get(name) ?? {
      bar: multi.create(rowsEstimated, 0, { name, copied: 0, rate: 0 }),
      startedAt: Date.now(),
    };
    bars.set(name, known);
    const seconds = Math.max(0.001, (Date.now() - known.startedAt) / 1000);
    known.bar.setTotal(done ? rowsCompared : rowsEstimated);
    known.bar.update(rowsCompared, { name, copied: rowsCopied, rate: Math.round(rowsCompared / seconds) });
    if (!done) return;
    bars.delete(name);
    if (bars.size > 0) return;
    multi.stop();
    multi = null;
  });
}
