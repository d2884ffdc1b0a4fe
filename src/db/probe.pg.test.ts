import { chown, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { TestDatabase } from '../../test/support/databases.ts';
import { drain, LinkRig } from '../../test/support/link-rig.ts';
import { serverSource } from '../../test/support/server-source.ts';
import { doorbellLock } from '../capture/capture-sql.ts';
import { EmbeddedServer } from '../dev/embedded-server.ts';
import { Doorbell } from '../link/doorbell.ts';
import { waitUntil } from '../../test/support/wait-until.ts';

/** These need a server with settings and files of its own. */
describe.skipIf(serverSource().kind !== 'embedded')(
  'a server of its own kind (skipped where servers are not embedded)',
  () => {
    let server: EmbeddedServer;
    beforeAll(async () => {
      server = await EmbeddedServer.create({ settings: { fsync: false, max_prepared_transactions: 5 } });
      await server.start();
      await Promise.all([server.createDatabase('a'), server.createDatabase('b')]);
    });
    afterAll(async () => await server.remove());

    function rig(): LinkRig {
      const databases = { a: new TestDatabase(server.url(), 'a'), b: new TestDatabase(server.url(), 'b') };
      onTestFinished(async () => {
        await Promise.all(Object.values(databases).map((each) => each.close()));
      });
      return new LinkRig(databases, {});
    }

    test('takes prepared transactions: SNK warns that it polls, hurts none of them, and carries their rows', async () => {
      const { a, b, snk } = rig();
      for (const database of [a, b])
        await database.query('create table record (uuid uuid primary key, text text not null)');
      expect(await snk.plan()).toMatchObject({
        faults: [],
        warnings: [
          { code: 'SNK_PREPARED_TRANSACTIONS', at: 'a' },
          { code: 'SNK_PREPARED_TRANSACTIONS', at: 'b' },
        ],
      });
      await snk.install();
      const again = rig();
      const doorbell = new Doorbell(again.orm('a'));
      const ending = new AbortController();
      const running = doorbell.session.run(ending.signal);
      await waitUntil(() => doorbell.session.isUp);
      // a doorbell that is never armed is never in a writer's way
      expect(await doorbell.arm()).toBe(false);
      const locks = `select from pg_locks where locktype = 'advisory' and mode = 'ExclusiveLock'`;
      expect(await a.query(locks)).toEqual([]);
      // nor is one that somebody armed in spite of that
      const holder = await a.connect();
      await holder.query('select pg_advisory_lock($1, $2)', [doorbellLock.space, doorbellLock.quiet]);
      const writer = await a.connect();
      await writer.query('begin');
      await writer.query(`insert into record values (gen_random_uuid(), 'x')`);
      await writer.query(`prepare transaction 'tx'`);
      await writer.query(`commit prepared 'tx'`);
      await writer.end();
      await holder.end();
      ending.abort();
      await running;
      await drain(await again.engine());
      expect(await b.query('select text from record')).toEqual([{ text: 'x' }]);
    });

    test('is a standby: it is named, and nothing else is found fault with', async () => {
      await server.stop();
      const data = path.join(server.dir, 'data');
      const signal = path.join(data, 'standby.signal');
      await writeFile(signal, '');
      const { uid, gid } = await stat(data);
      await chown(signal, uid, gid);
      await server.start();
      const { snk } = rig();
      const { faults } = await snk.plan();
      expect(faults.map(({ code, at }) => `${code} ${at}`)).toEqual(['SNK_STANDBY a', 'SNK_STANDBY b']);
      await expect(snk.install()).rejects.toMatchObject({ code: 'SNK_STANDBY' });
      // also where the engine is at work when the server that it reaches becomes one
      await expect(rig().engine()).rejects.toMatchObject({
        code: 'SNK_STANDBY',
        fate: 'retry',
      });
    });
  },
);
