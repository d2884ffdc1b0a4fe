import { Client } from 'pg';
import { describe, expect, it } from 'vitest';
import { createDatabase, createPair, sharedServers } from './databases.ts';
import { closeLeftovers } from './leftovers.ts';
import { TestProcess } from './processes.ts';
import { startServer } from './servers.ts';
import { waitUntil } from './wait-until.ts';

function startTalker(): TestProcess {
  return new TestProcess('test/support/talker.ts', []);
}

describe('a pair of databases', () => {
  it('has an equal, empty table of records on each side', async () => {
    const { a, b, drop } = await createPair();
    expect(a.name).not.toBe(b.name);
    for (const side of [a, b]) {
      await side.query('insert into public.record values (gen_random_uuid(), $1)', ['text']);
      expect(await side.query('select text from public.record')).toEqual([{ text: 'text' }]);
    }
    await drop();
    const left = `select from pg_database where datname in ('${a.name}', '${b.name}')`;
    const other = await createDatabase('b');
    expect(await other.query(left)).toEqual([]);
    await other.drop();
  });

  it('gives sessions of their own, which see only what others committed', async () => {
    const { a, drop } = await createPair();
    const [one, two] = [await a.connect(), await a.connect()];
    expect(one.pid).not.toBe(two.pid);
    await one.query('begin');
    await one.query(`insert into record values (gen_random_uuid(), 'x')`);
    expect(await two.query('select text from record')).toEqual([]);
    await one.query('commit');
    expect(await two.query('select text from record')).toEqual([{ text: 'x' }]);
    await drop();
  });

  it('tells of a session that SNK left open in it', async () => {
    const database = await createDatabase();
    const client = new Client({ connectionString: database.url, application_name: 'snk:work:a' });
    client.on('error', () => {});
    await client.connect();
    await expect(database.drop()).rejects.toThrow(/sessions left open in .*: snk:work:a/);
    await client.end();
  });
});

describe('a server of the test', () => {
  it('keeps its rows and its URL over stop, crash and kill', async () => {
    const server = await startServer();
    expect(server.major).toBeGreaterThanOrEqual(14);
    const { a, b, drop } = await createPair({ a: server.url(), b: sharedServers().b });
    const count = async () => (await a.query<{ n: number }>('select count(*)::int as n from record'))[0]?.n;
    for (const [n, end] of [server.stop, server.crash, server.kill].entries()) {
      await a.query(`insert into record values (gen_random_uuid(), 'x')`);
      await end();
      await expect(a.query('select 1')).rejects.toThrow(
        /ECONNREFUSED|terminated|terminating|hung up|ECONNRESET/,
      );
      expect(await b.query('select 1 as one')).toEqual([{ one: 1 }]);
      await server.start();
      expect(await count()).toBe(n + 1);
    }
    await drop();
    await server.remove();
  });
});

describe('a process of the test', () => {
  it('hands over its lines as they come, and how it ended', async () => {
    const talker = startTalker();
    const [, second] = await talker.waitForLine(/^line (2)$/);
    expect(second).toBe('2');
    await talker.waitForLine(/^waiting$/);
    const since = talker.lines.length;
    talker.signal('SIGTERM');
    await talker.waitForLine(/^asked to end$/, { since });
    expect(await talker.exited).toEqual({ code: 7, signal: null });
    expect(talker.stdout).toBe('line 1\nline 2\n');
    expect(talker.stderr).toBe('waiting\nasked to end\n');
  });

  it('ends a wait for a line that cannot come any more', async () => {
    const talker = startTalker();
    const never = talker.waitForLine(/^never$/);
    await talker.waitForLine(/^waiting$/);
    await Promise.all([
      expect(never).rejects.toThrow(/ended without \/\^never\$\/:\nstdout: line 1/),
      talker.kill(),
    ]);
    expect(await talker.exited).toEqual({ code: null, signal: 'SIGKILL' });
  });

  it('is ended and named when the test forgot it', async () => {
    const talker = startTalker();
    await talker.waitForLine(/^waiting$/);
    expect(await closeLeftovers('test')).toEqual([`process ${talker.pid} (test/support/talker.ts)`]);
    expect(talker.exit).toEqual({ code: null, signal: 'SIGKILL' });
  });
});

describe('waitUntil', () => {
  it('returns the first answer that is one, zero and the empty string included', async () => {
    const answers = [false, undefined, null, 0];
    expect(await waitUntil(() => answers.shift())).toBe(0);
    expect(answers).toEqual([]);
  });

  it('says at the deadline what it waited for, and the last answer', async () => {
    const waited = waitUntil(async () => null, { timeout: 30, message: 'a miracle' });
    await expect(waited).rejects.toThrow('waited 30 ms for a miracle (last value: null)');
  });
});
