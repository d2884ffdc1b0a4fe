/**
 * `npm run check:package`: packs SNK, installs the tarball in an empty project as a user would, and uses it there:
 * both programs, a whole demo, the library and its types. Ends with 1 at the first thing that is wrong.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

interface PackedFile {
  readonly path: string;
  readonly mode: number;
}

const top = join(import.meta.dirname, '..');
const project = await mkdtemp(join(tmpdir(), 'snk-package-'));

try {
  const { version } = JSON.parse(await readFile(join(top, 'package.json'), 'utf8')) as { version: string };
  checkFiles(await pack());
  await install(`snk-${version}.tgz`);
  for (const program of ['snk', 'tst']) {
    const said = await use('npx', program, '--version');
    check(`${program} --version`, said.code === 0 && said.stdout === `${version}\n`, said);
  }
  const unset = await use('npx', 'snk', 'plan');
  check(
    'snk plan says what is not set',
    unset.code === 78 && /SNK_A_URL.*[^]*SNK_B_URL/.test(unset.stderr),
    unset,
  );
  const wrong = await use('npx', 'snk', 'plna');
  check('snk says what the right command is', wrong.code === 2 && wrong.stderr.includes('plan'), wrong);
  await checkLibrary();
  const demo = await use('npx', 'snk', 'demo', '--for', '3s');
  check(
    'snk demo',
    demo.code === 0 && /: equal; lag/.test(demo.stdout.trim().split('\n').at(-1) ?? ''),
    demo,
  );
} finally {
  await rm(project, { recursive: true, force: true });
}

async function pack(): Promise<readonly PackedFile[]> {
  const packed = await run(top, 'npm', 'pack', '--json', '--pack-destination', project);
  check('npm pack', packed.code === 0, packed);
  // What the build prints comes first; newer npms answer with an object, by name.
  const json: unknown = JSON.parse(packed.stdout.slice(packed.stdout.search(/^[[{]/m)));
  return (Object.values(json as object) as { files: PackedFile[] }[])[0]?.files ?? [];
}

function checkFiles(files: readonly PackedFile[]): void {
  const allowed =
    /^(dist\/.*(?<!\.test)\.(js|d\.ts)|dist\/src\/console\/app\.css|systemd\/snk\.service|grafana\/snk\.json|[A-Z]+(\.md)?|package\.json)$/;
  const odd = files.filter(({ path }) => !allowed.test(path) || /\.test\.|\.env|\.map$/.test(path));
  check('the package holds only what runs', odd.length === 0, odd);
  const missing = [
    'LICENSE',
    'dist/src/index.js',
    'dist/src/index.d.ts',
    'dist/src/link/link-worker.js',
    'dist/src/console/app.js',
    'dist/src/console/app.css',
    'systemd/snk.service',
    'grafana/snk.json',
  ].filter((wanted) => !files.some(({ path }) => path === wanted));
  check('the package holds all that runs', missing.length === 0, missing);
  const programs = files.filter(
    ({ path }) => /\/(snk|tst)\.js$/.test(path) && (path.includes('/cli/') || path.includes('/tst/')),
  );
  check(
    'its programs are executable',
    programs.length === 2 && programs.every(({ mode }) => (mode & 0o111) === 0o111),
    programs,
  );
}

async function install(tarball: string): Promise<void> {
  await writeFile(
    join(project, 'package.json'),
    JSON.stringify({ name: 'user', private: true, type: 'module' }),
  );
  // `npm ci` has filled the cache with every package that this needs.
  const installed = await use('npm', 'install', '--omit=dev', '--prefer-offline', `./${tarball}`);
  check('npm install', installed.code === 0, installed);
}

async function checkLibrary(): Promise<void> {
  const text = `
import { defineConfig, FaultsError, parseConfig, Snk, twoWay, type Status } from 'snk';

const config = defineConfig({
  nodes: { a: { url: 'postgres://x:y@localhost:1/a' }, b: { url: 'postgres://x:y@localhost:1/b' } },
  links: [twoWay('a', 'b', { tables: ['public.record'] })],
});
const snk = new Snk(parseConfig(config));
const status: Status = await snk.status();
await snk.close();
try {
  parseConfig({ nodes: {} });
} catch (error) {
  if (error instanceof FaultsError) process.stdout.write(status.nodes.map((node) => \`\${node.name} \${node.reachable}\`).join());
}
`;
  await writeFile(join(project, 'use.ts'), text);
  const used = await use('node', 'use.ts');
  check('the library', used.code === 0 && used.stdout === 'a false,b false', used);
  const options = {
    module: 'nodenext',
    target: 'es2024',
    strict: true,
    noEmit: true,
    types: ['node'],
    typeRoots: [join(top, 'node_modules/@types')],
  };
  await writeFile(
    join(project, 'tsconfig.json'),
    JSON.stringify({ compilerOptions: options, files: ['use.ts'] }),
  );
  const typed = await use(join(top, 'node_modules/.bin/tsc'), '-p', 'tsconfig.json');
  // Libraries are checked too, or a broken type of SNK's own would pass; what is wrong in those of others is not ours.
  const faults = typed.stdout.split('\n').filter((line) => /^(use\.ts|node_modules\/snk\/)/.test(line));
  check('its types', [0, 1].includes(typed.code) && faults.length === 0, faults);
}

async function use(program: string, ...args: string[]): Promise<Ran> {
  return await run(project, program, ...args);
}

/** Without the settings of this project, and of the npm that runs this script. */
async function run(cwd: string, program: string, ...args: string[]): Promise<Ran> {
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(npm_|SNK_|MIKRO_ORM_|INIT_CWD$)/.test(name)),
  );
  return await new Promise((resolve) => {
    execFile(
      program,
      args,
      { cwd, env, timeout: 300_000, maxBuffer: 64 * 2 ** 20 },
      (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
        resolve({ code, stdout, stderr });
      },
    );
  });
}

function check(what: string, fine: boolean, found: unknown): void {
  process.stdout.write(`${fine ? 'ok' : 'NOT OK'}  ${what}\n`);
  if (!fine) throw new Error(`${what}: ${JSON.stringify(found, null, 2)}`);
}
