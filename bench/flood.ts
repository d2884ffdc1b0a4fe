/** TST at full speed, alone and beside SNK in turn: rate, ratio, drain, CPU and memory. */
import { setTimeout as wait } from 'node:timers/promises';
import { median, residentMegabytes, type Pair } from './pair.ts';

export async function flood(pair: Pair, { quick }: { quick: boolean }): Promise<string[]> {
  const rows = quick ? 200_000 : 1_000_000;
  const alone: number[] = [];
  const beside: number[] = [];
  const drains: number[] = [];
  const cpu: number[] = [];
  const memory: number[] = [];
  for (let round = 0; round < (quick ? 1 : 3); round += 1) {
    await pair.reset();
    alone.push((await pair.tst(['--rows', String(rows)])).rowsPerSecond);
    await pair.reset();
    const snk = await pair.start();
    const before = pair.cpuSeconds(snk.pid);
    const report = await pair.tst(['--rows', String(rows)]);
    beside.push(report.rowsPerSecond);
    drains.push(await drained(pair, Date.parse(report.lastCommitAt)));
    cpu.push(((pair.cpuSeconds(snk.pid) - before) / rows) * 1_000_000);
    memory.push(residentMegabytes(snk.pid));
    const { equal, tables } = await pair.snk.verify();
    await snk.stop();
    const counts = Object.values(tables[0]?.rows ?? {});
    if (!equal || counts.some((count) => count !== rows))
      throw new Error(`void: ${counts.join(' and ')} rows of ${rows}, equal: ${equal}`);
  }
  const each = (values: readonly number[]): string =>
    values.map((value) => Math.round(value).toLocaleString('en-US')).join(', ');
  return [
    `TST alone: ${each([median(alone)])} rows/s (${each(alone)})`,
    `TST beside SNK: ${each([median(beside)])} rows/s (${each(beside)}), ratio ${(median(beside) / median(alone)).toFixed(2)}`,
    `all in both databases ${each([median(drains)])} ms after TST's last commit (${each(drains)})`,
    `CPU of both servers and SNK: ${median(cpu).toFixed(1)} s per million rows; SNK's memory ${each([Math.max(...memory)])} MB`,
  ];
}

/** Milliseconds from TST's last commit to the last batch that was applied anywhere, by the databases' clock. */
async function drained(pair: Pair, lastCommitAt: number): Promise<number> {
  for (;;) {
    const { links } = await pair.snk.status();
    if (links.every((link) => link.pendingRows === 0)) {
      return Math.max(...links.map((link) => Date.parse(link.lastAppliedAt ?? ''))) - lastCommitAt;
    }
    await wait(10);
  }
}
