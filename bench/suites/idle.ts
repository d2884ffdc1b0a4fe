/** Nothing happens: what sync costs then. */
import { setTimeout as wait } from 'node:timers/promises';
import { sides, type Side } from '../pair.ts';
import { goal } from '../result.ts';
import { Sheet } from '../sheet.ts';
import { beside, noteMemory, takingPart, type Suite } from '../suite.ts';

const transactions = { id: 'idle.transactions', label: 'transactions, of the busier database', unit: '1/s' };
const process = { id: 'idle.process', label: 'CPU of the sync process', unit: '%' };
const all = { id: 'idle.all', label: 'CPU of servers and sync process', unit: '%' };

export const idle: Suite = {
  name: 'idle',
  run: async (context) => {
    const { pair, quick, say } = context;
    const sheet = new Sheet();
    const seconds = quick ? 5 : 10;
    for (const peer of await takingPart(quick ? ['snk'] : ['bare', 'snk', 'logical', 'id-cursor'], sheet)) {
      await beside(context, peer, async (running) => {
        const { pids } = running;
        await wait(11_000); // idle sessions report their earlier transactions up to ten seconds late
        const read = async (side: Side): Promise<number> => {
          const { rows } = await pair.pools[side].query<{ n: string }>(
            'select sum(xact_commit + xact_rollback) as n from pg_stat_database where datname = current_database()',
          );
          return Number(rows[0]?.n ?? 0);
        };
        const before = await Promise.all(sides.map(read));
        const [cpu, servers] = [pair.cpu(pids), pair.cpu([])];
        await wait(seconds * 1_000);
        const ofAll = ((pair.cpu(pids) - cpu) / seconds) * 100;
        const ofProcess = ofAll - ((pair.cpu([]) - servers) / seconds) * 100;
        const after = await Promise.all(sides.map(read));
        const perSecond = Math.max(...after.map((n, i) => n - (before[i] ?? 0))) / seconds;
        sheet.add(peer.name, transactions, perSecond);
        sheet.add(peer.name, all, ofAll);
        if (pids.length > 0) sheet.add(peer.name, process, Math.max(0, ofProcess));
        noteMemory(sheet, 'idle', peer, running);
        say(
          `${peer.name}: ${perSecond.toFixed(2)} transactions/s, CPU ${ofAll.toFixed(2)} % of a core, ${ofProcess.toFixed(2)} % in the sync process`,
        );
      });
    }
    sheet.notes.push(
      `one stretch of ${seconds} s for each peer, after 11 s of rest; PostgreSQL counts transactions, not statements`,
      'CPU is a share of one core, in steps of a hundredth of a second; bare shows what the servers use by themselves',
    );
    sheet.goals.push(
      goal(
        'idle.transactions',
        'idle: transactions per second and database',
        '<=',
        1,
        '1/s',
        sheet.median('snk', transactions.id),
      ),
      goal('idle.cpu', 'idle: CPU of servers and sync process', '<=', 0.5, '%', sheet.median('snk', all.id)),
    );
    return sheet.result('idle', 'Idle: what sync costs when nothing happens', null);
  },
};
