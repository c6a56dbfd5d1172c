/**
 * Builds `dist/`: the JavaScript as one bundle in few files, and the declarations of every module. `npm run build` runs it.
 *
 * A process that loads 300 small files, most of them of packages, takes twice the processor time to start. All entry
 * points are bundled together, so that the command line, its threads and `import 'flockwork'` share each module. Modules
 * that only some entry points or commands use are in chunks of their own, and are loaded with these.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, globSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { rolldown, type Plugin } from 'rolldown';

const ROOT = import.meta.dirname;
const OUT = join(ROOT, 'dist');
const MODULES = join(ROOT, 'node_modules');

/** What users import, what they run, and what is started as a thread or a process, by its path in `src/`. */
const ENTRIES: readonly string[] = [
  'index',
  'xstate/index',
  'testing/index',
  'cli/main',
  'cli/simulate-thread',
  'cli/tick-thread',
  'doctor/peer-process',
  'volume/heartbeat-thread',
];

/** Node's modules that take 5 to 20 ms to load and are seldom used: loaded at the first call of these functions. */
const LAZY: Readonly<Record<string, readonly string[]>> = {
  'node:crypto': ['createHash', 'hash', 'randomBytes', 'randomUUID'],
  'node:child_process': ['fork', 'spawn', 'spawnSync'],
};

const LAZY_PREFIX = '\0lazy:';

const lazyBuiltins: Plugin = {
  name: 'lazy-builtins',
  resolveId: (id) => (LAZY[id] === undefined ? null : LAZY_PREFIX + id),
  load: (id) => {
    if (!id.startsWith(LAZY_PREFIX)) return null;
    const name = id.slice(LAZY_PREFIX.length);
    const load = `process.getBuiltinModule(${JSON.stringify(name)})`;
    return (LAZY[name] ?? [])
      .map((one) => `export const ${one} = (...args) => ${load}.${one}(...args);\n`)
      .join('');
  },
};

/** Writes the JavaScript. Returns the folders of the packages that it contains. */
async function bundle(): Promise<string[]> {
  const { dependencies, peerDependencies } = JSON.parse(
    readFileSync(join(ROOT, 'package.json'), 'utf8'),
  ) as Record<'dependencies' | 'peerDependencies', Record<string, string>>;
  const installed = Object.keys({ ...dependencies, ...peerDependencies });
  const build = await rolldown({
    cwd: ROOT,
    input: Object.fromEntries(ENTRIES.map((entry) => [entry, `src/${entry}.ts`])),
    platform: 'node',
    transform: { target: 'node22' },
    // jsonc-parser's other form cannot be bundled.
    resolve: { mainFields: ['module', 'main'] },
    external: (id) =>
      (id.startsWith('node:') && LAZY[id] === undefined) ||
      installed.some((name) => id === name || id.startsWith(`${name}/`)),
    plugins: [lazyBuiltins],
    onLog: (_level, { message }) => {
      throw new Error(message);
    },
  });
  const { output } = await build.write({
    dir: OUT,
    format: 'esm',
    entryFileNames: '[name].js',
    // One folder below dist/, as the folders of src/ are: modules find their threads by paths that begin with `../`.
    chunkFileNames: 'chunks/[name].js',
    sourcemap: true,
    sourcemapExcludeSources: true,
    // Below dist/, where nothing is: with --enable-source-maps, frames must still be told apart from a user's.
    sourcemapPathTransform: (source, map) =>
      join(relative(dirname(map), OUT), source.replace(/^(\.\.\/)+/, '')),
  });
  await build.close();
  const modules = output.flatMap((one) => (one.type === 'chunk' ? one.moduleIds : []));
  return [
    ...new Set(modules.flatMap((id) => /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(id) ?? [])),
  ].sort();
}

/** The licences of the packages in the bundle, which ask to be kept with every copy. */
function writeLicences(folders: readonly string[]): void {
  const texts = folders.map((folder) => {
    const [file] = globSync('{LICENSE,LICENCE}*', { cwd: folder });
    if (file === undefined) throw new Error(`${folder} has no licence file`);
    const { name, version } = JSON.parse(
      readFileSync(join(folder, 'package.json'), 'utf8'),
    ) as Record<string, string>;
    return `${name} ${version}\n\n${readFileSync(join(folder, file), 'utf8').trim()}\n`;
  });
  writeFileSync(join(OUT, 'LICENSES.txt'), texts.join(`\n${'-'.repeat(80)}\n\n`));
}

rmSync(OUT, { recursive: true, force: true });
const typescript = join(MODULES, 'typescript/bin/tsc');
execFileSync(process.execPath, [typescript, '-p', 'tsconfig.build.json'], {
  cwd: ROOT,
  stdio: 'inherit',
});
writeLicences(await bundle());
chmodSync(join(OUT, 'cli/main.js'), 0o755);
