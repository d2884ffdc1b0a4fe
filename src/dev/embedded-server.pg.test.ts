import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { execFileSync, spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { runSql } from '../../test/support/sql.ts';
import { waitUntil } from '../../test/support/wait-until.ts';
import { EmbeddedServer } from './embedded-server.ts';

/** Every process whose command line names this folder. */
function processesOf(folder: string): string[] {
  const lines = execFileSync('ps', ['-eo', 'pid=,args='], { encoding: 'utf8' }).split('\n');
  return lines.filter((line) => line.includes(folder));
}

describe('an embedded server', () => {
  let server: EmbeddedServer;
  const log: string[] = [];

  beforeAll(async () => {
    server = await EmbeddedServer.create({ log: (line) => log.push(line) });
    await server.start();
    await runSql(server.url(), 'create table kept (n int primary key)');
  });

  afterAll(() => server.remove());

  const kept = async () =>
    (await runSql<{ n: number }>(server.url(), 'select n from kept order by n')).map(({ n }) => n);

  it('takes connections at its URL, on 127.0.0.1 and with a password only', async () => {
    const { hostname, password } = new URL(server.url());
    expect(hostname).toBe('127.0.0.1');
    const [row] = await runSql(server.url(), 'select current_user, current_database(), inet_server_addr()');
    expect(row).toEqual({
      current_user: 'postgres',
      current_database: 'postgres',
      inet_server_addr: '127.0.0.1',
    });
    const wrong = server.url().replace(password, 'wrong');
    await expect(runSql(wrong, 'select 1')).rejects.toMatchObject({ code: '28P01' });
  });

  it('is durable and speaks UTF-8', async () => {
    const settings = [
      'fsync',
      'synchronous_commit',
      'server_encoding',
      'listen_addresses',
      'unix_socket_directories',
    ];
    const rows = await runSql<{ value: string }>(
      server.url(),
      'select current_setting(name) as value from unnest($1::text[]) as name',
      [settings],
    );
    expect(rows.map(({ value }) => value)).toEqual(['on', 'on', 'UTF8', '127.0.0.1', '']);
  });

  it('keeps committed rows, its port and its URL over a crash', async () => {
    const url = server.url();
    await runSql(url, 'insert into kept values (1)');
    await server.crash();
    expect(server.running).toBe(false);
    await expect(runSql(url, 'select 1')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    await server.start();
    expect(server.url()).toBe(url);
    expect(await kept()).toContain(1);
  });

  it('keeps committed rows over SIGKILL, and waits until its last process is gone', async () => {
    await runSql(server.url(), 'insert into kept values (2)');
    await server.kill();
    expect(server.pid).toBeUndefined();
    expect(processesOf(`${server.dir}/data`)).toEqual([]);
    await server.start();
    expect(await kept()).toContain(2);
  });

  it('notices a death that it did not order, and starts again', async () => {
    const { pid } = server;
    process.kill(pid ?? 0, 'SIGKILL');
    await waitUntil(() => !server.running, { message: 'the server to be gone' });
    await server.start();
    expect(server.pid).not.toBe(pid);
    expect(await kept()).toContain(2);
  });

  it('creates databases, from a template too, and drops them', async () => {
    await server.createDatabase('first');
    await runSql(server.url('first'), 'create table copied ()');
    await server.createDatabase('Second "one"', 'first');
    await expect(runSql(server.url('Second "one"'), 'select from copied')).resolves.toEqual([]);
    await server.dropDatabase('first');
    await expect(runSql(server.url('first'), 'select 1')).rejects.toMatchObject({ code: '3D000' });
  });

  it('waits over a restart until its port is free again', async () => {
    await server.stop();
    const other = createServer().listen(server.port, '127.0.0.1');
    await once(other, 'listening');
    const started = server.start();
    await waitUntil(() => log.join().includes('Address already in use'), {
      message: 'the port to be found taken',
    });
    other.close();
    await started;
    expect(await kept()).toContain(2);
  });
});

describe('what an embedded server leaves behind', () => {
  let root: string;

  afterEach(() => rm(root, { recursive: true, force: true }));

  const makeRoot = async () => {
    root = await mkdtemp(path.join(tmpdir(), 'test-root-'));
    execFileSync('chmod', ['755', root]); // for the account that the server runs as
  };

  it('is no folder and no process, after remove()', async () => {
    await makeRoot();
    const server = await EmbeddedServer.create({ dir: root });
    await server.start();
    expect(path.dirname(server.dir)).toBe(root);
    expect(processesOf(server.dir)).not.toEqual([]);
    await server.remove();
    expect(await readdir(root)).toEqual([]);
    expect(processesOf(server.dir)).toEqual([]);
  });

  it('is nothing, after kill() and remove()', async () => {
    await makeRoot();
    const server = await EmbeddedServer.create({ dir: root });
    await server.start();
    await server.kill();
    await server.remove();
    expect(await readdir(root)).toEqual([]);
    expect(processesOf(server.dir)).toEqual([]);
  });

  it('is nothing, when a setting keeps it from starting', async () => {
    await makeRoot();
    const server = await EmbeddedServer.create({ dir: root, settings: { max_connections: 'many' } });
    await expect(server.start()).rejects.toThrow(/invalid value for parameter "max_connections"/);
    await server.remove();
    expect(await readdir(root)).toEqual([]);
  });

  it.each(['SIGKILL', 'SIGTERM', 'the end of its work', 'an error'])(
    'is nothing, after its owner ended by %s',
    async (end) => {
      await makeRoot();
      const after = { 'an error': `throw new Error('on purpose')`, 'the end of its work': '' }[end];
      const script = `
      import { EmbeddedServer } from ${JSON.stringify(new URL('embedded-server.ts', import.meta.url).href)};
      const server = await EmbeddedServer.create({ dir: ${JSON.stringify(root)} });
      await server.start();
      console.log(server.dir);
      ${after ?? 'setInterval(() => {}, 1000)'}`;
      const owner = spawn(process.execPath, ['--input-type=module-typescript', '--eval', script], {
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      const [line]: unknown[] = await once(owner.stdout, 'data');
      const dir = String(line).trim();
      expect(dir).toContain(root);
      if (end === 'SIGKILL' || end === 'SIGTERM') owner.kill(end);
      await waitUntil(() => !existsSync(dir) && processesOf(dir).length === 0, {
        message: `all of ${dir} to be gone`,
      });
      expect(await readdir(root)).toEqual([]);
    },
  );
});
