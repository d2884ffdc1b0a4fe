import { PostgreSqlContainer } from '@testcontainers/postgresql';
import { getContainerRuntimeClient } from 'testcontainers';
import { freePort } from '../../src/dev/port.ts';
import { startWatcher } from '../../src/dev/watcher.ts';
import type { TestServer, TestServerOptions } from './servers.ts';
import { identifier, majorVersion, runSql, urlOf } from './sql.ts';
import { waitUntil } from './wait-until.ts';

const stopSignals = { smart: 'SIGTERM', fast: 'SIGINT', immediate: 'SIGQUIT' } as const;

/** A server in a container of its own. PostgreSQL is the container's first process, so signals reach it. */
export async function startContainerServer({ settings = {} }: TestServerOptions): Promise<TestServer> {
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  // a port that docker chooses would be another one after a restart
  const started = await new PostgreSqlContainer(process.env.SNK_TEST_IMAGE ?? 'postgres:18-alpine')
    .withExposedPorts({ container: 5432, host: await freePort() })
    .withDatabase('postgres')
    .withUsername('postgres')
    .withCommand(['postgres', ...flags])
    .start();
  const runtime = await getContainerRuntimeClient();
  const container = runtime.container.getById(started.getId());
  const url = (database = 'postgres') => urlOf(started.getConnectionUri(), database);

  // Ctrl-C skips the teardown of vitest. Ryuk would come after the container, but may be switched off.
  const watcher = startWatcher('cat; docker rm --force --volumes "$1"', started.getId());

  const end = async (signal: NodeJS.Signals) => {
    if (!(await container.inspect()).State.Running) return;
    const ended = container.wait();
    await container.kill({ signal });
    await ended;
  };
  return {
    major: await majorVersion(url()),
    url,
    createDatabase: async (name, template) => {
      const copy = template === undefined ? '' : ` template ${identifier(template)}`;
      await runSql(url(), `create database ${identifier(name)}${copy}`);
    },
    dropDatabase: async (name) => {
      await runSql(url(), `drop database if exists ${identifier(name)} with (force)`);
    },
    start: async () => {
      if (!(await container.inspect()).State.Running) await container.start();
      await waitUntil(() => runSql(url(), 'select 1').catch(() => false as const), {
        timeout: 60_000,
        message: 'PostgreSQL to be ready in its container',
      });
    },
    stop: (mode = 'fast') => end(stopSignals[mode]),
    crash: () => end('SIGQUIT'),
    kill: () => end('SIGKILL'),
    remove: async () => {
      await container.remove({ force: true, v: true });
      await watcher.finish();
    },
  };
}
