/** The house rules of docs/architecture.md, enforced: who may import whom, what stays pure, how large. */
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, expect, test } from 'vitest';

const SRC = join(import.meta.dirname, '../../src');
const MAX_LINES = 600;

/** Folder → what it may import of the house. A path with a slash is one file, not its folder. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  machine: [],
  engine: ['machine'],
  worker: ['machine', 'engine'],
  volume: ['machine', 'engine'],
  doctor: ['machine', 'engine', 'volume'],
  render: ['machine'],
  check: ['machine'],
  xstate: ['machine'],
  sim: ['machine', 'engine', 'volume', 'worker'],
  api: ['machine', 'engine', 'worker', 'volume', 'doctor'],
  testing: ['machine', 'engine', 'worker', 'sim', 'index.ts'],
  cli: ['api', 'machine', 'engine', 'volume', 'worker', 'doctor', 'sim', 'render', 'check'],
  'index.ts': ['machine', 'check', 'engine', 'worker', 'api'],
};

/** What a worker does not know: how a volume shares its work out. */
const VOLUME_WORDS = /(?<!\.)\b(phase|cycle|window|roster|ring|slice)s?\b/i;

/** Folders, and files, that judge and compute, and leave doing to others. */
const PURE: readonly string[] = [
  'machine',
  'volume/phases',
  'worker/apply-events.ts',
  'worker/decision-context.ts',
  'worker/plan.ts',
  'worker/tick-outcome.ts',
  'cli/inbox/rules.ts',
  'cli/module-url.ts',
  'doctor/advice.ts',
  'doctor/clocks.ts',
  'doctor/file-system.ts',
  'doctor/judge.ts',
  'doctor/opinion.ts',
  'doctor/safety.ts',
  'doctor/timing.ts',
  'render',
  'check',
  'xstate/definition.ts',
  'xstate/snapshot.ts',
  'xstate/index.ts',
  'xstate/react.ts',
];

/** What has to come in through a port. Types are erased, so `Promise<…>` as a type is no offence. */
const IMPURE: readonly RegExp[] = [
  /\basync\b/,
  /\bawait\b/,
  /\bnew Promise\b|\bPromise\.(all|race|any|resolve|reject|withResolvers)/,
  /\bDate\.now\b|\bnew Date\(\s*\)/,
  /\bMath\.random\b|\bcrypto\b/,
  /\bset(Timeout|Interval|Immediate)\b|\bqueueMicrotask\b/,
  /\bperformance\b|\bprocess\b/,
  /from 'node:(?!path\/posix')/,
];

/** Comments and texts say what they like. */
function codeOf(source: string): string {
  return (
    source
      .replace(/\/\*[^]*?\*\//g, '')
      .replace(/(^|\s)\/\/.*$/gm, '')
      // A hash is a function of its text.
      .replace("import { createHash } from 'node:crypto';", '')
      .replace(/`(?:\\.|[^`\\$]|\$(?!\{))*`/g, '``')
  );
}

interface SourceFile {
  /** As in `volume/claim.ts`. */
  readonly path: string;
  readonly text: string;
}

function violations({ path, text }: SourceFile): string[] {
  const folder = path.split('/')[0]!;
  const found: string[] = [];
  for (const [, target = ''] of text.matchAll(/\bfrom '(\.[^']+)'/g)) {
    const imported = relative(SRC, join(SRC, dirname(path), target));
    const isOwn = imported.split('/')[0] === folder;
    const isAllowed = (MAY_IMPORT[folder] ?? []).some(
      (one) => imported === one || imported.startsWith(`${one}/`),
    );
    if (!isOwn && !isAllowed) found.push(`${path} may not import ${imported}`);
  }
  if (PURE.some((one) => path === one || path.startsWith(`${one}/`))) {
    const code = codeOf(text);
    for (const rule of IMPURE)
      if (rule.test(code)) found.push(`${path} is not pure: ${rule.exec(code)![0]}`);
  }
  const word = folder === 'worker' ? VOLUME_WORDS.exec(text) : null;
  if (word !== null) found.push(`${path} says "${word[0]}", which only volume/ knows`);
  if (folder !== 'xstate' && /\bfrom 'xstate'/.test(text)) {
    found.push(`${path} may not import xstate, which need not be installed`);
  }
  return [...found, ...shapeProblems({ path, text })];
}

function shapeProblems({ path, text }: SourceFile): string[] {
  const found: string[] = [];
  const lines = text.split('\n').length - 1;
  if (lines > MAX_LINES) found.push(`${path} has ${lines} lines: probably two concepts`);
  if (!/^(#!.*\n)?\/\*\*/.test(text)) found.push(`${path} does not begin by saying what it is for`);
  return found;
}

function filesIn(folder: string): SourceFile[] {
  const isOther = (path: string): boolean => /(^|\/)(\.|node_modules)/.test(path);
  return globSync('**/*.ts', { cwd: folder, exclude: isOther })
    .filter((path) => !isOther(path))
    .map((path) => ({ path, text: readFileSync(join(folder, path), 'utf8') }));
}

const files: SourceFile[] = filesIn(SRC);

test('every file keeps the rules', () => {
  expect(files.length).toBeGreaterThan(40);
  expect(files.flatMap(violations)).toEqual([]);
});

test('no import leads back to the file that it is in', () => {
  const imports = new Map(
    files.map(({ path, text }) => [
      path,
      // Types are erased.
      Array.from(
        text.matchAll(/^(?:import|export) (?!type)[^;]*?\bfrom '(\.[^']+)'/gm),
        ([, target = '']) => relative(SRC, join(SRC, dirname(path), target)),
      ),
    ]),
  );
  const cycles: string[] = [];
  const done = new Set<string>();
  const visit = (path: string, trail: readonly string[]): void => {
    if (trail.includes(path)) cycles.push([...trail.slice(trail.indexOf(path)), path].join(' → '));
    if (done.has(path)) return;
    done.add(path);
    for (const next of imports.get(path) ?? []) visit(next, [...trail, path]);
  };
  for (const { path } of files) visit(path, []);
  expect(cycles).toEqual([]);
});

test('the names of exported types are unique', () => {
  const places = new Map<string, string[]>();
  for (const { path, text } of files) {
    for (const [, name = ''] of text.matchAll(/^export (?:type|interface|class) (\w+)/gm)) {
      places.set(name, [...(places.get(name) ?? []), path]);
    }
  }
  expect([...places].filter(([, paths]) => paths.length > 1)).toEqual([]);
});

test('every file of the benchmark keeps its size, and says what it is for', () => {
  const bench = filesIn(join(SRC, '../bench'));
  expect(bench.length).toBeGreaterThan(20);
  expect(bench.flatMap(shapeProblems)).toEqual([]);
});

test('every folder is one of the house', () => {
  const folders = new Set(files.map(({ path }) => path.split('/')[0]!));
  expect([...folders].filter((folder) => MAY_IMPORT[folder] === undefined)).toEqual([]);
});

describe('the rules bite', () => {
  const head = '/** What. */\n';
  test.each([
    [
      'machine/a.ts',
      "import { x } from '../volume/phases/cycle.ts';",
      'may not import volume/phases/cycle.ts',
    ],
    ['worker/a.ts', 'const isWithin = cycle;', 'says "cycle"'],
    ['volume/a.ts', "import { x } from '../worker/worker.ts';", 'may not import worker/worker.ts'],
    ['engine/a.ts', "import { x } from '../volume/claim.ts';", 'may not import volume/claim.ts'],
    ['worker/a.ts', "import { x } from '../volume/claim.ts';", 'may not import volume/claim.ts'],
    ['worker/a.ts', "export { x } from '../cli/main.ts';", 'may not import cli/main.ts'],
    ['doctor/a.ts', "import { x } from '../worker/ports.ts';", 'may not import worker/ports.ts'],
    ['worker/a.ts', "import { x } from '../doctor/judge.ts';", 'may not import doctor/judge.ts'],
    ['doctor/judge.ts', 'const x = process.pid;', 'not pure: process'],
    ['check/a.ts', "import { x } from '../sim/prng.ts';", 'may not import sim/prng.ts'],
    ['check/a.ts', 'const x = performance.now();', 'not pure: performance'],
    ['machine/a.ts', 'const x = Date.now();', 'not pure: Date.now'],
    ['machine/a.ts', 'const x = new Date();', 'not pure: new Date()'],
    ['volume/phases/a.ts', 'const x = Math.random();', 'not pure: Math.random'],
    ['volume/phases/a.ts', 'setTimeout(x, 5);', 'not pure: setTimeout'],
    ['machine/a.ts', 'async function x() {}', 'not pure: async'],
    ['machine/a.ts', "import fs from 'node:fs';", "not pure: from 'node:"],
    ['xstate/a.ts', "import { x } from '../worker/ports.ts';", 'may not import worker/ports.ts'],
    ['machine/a.ts', "import type { x } from 'xstate';", 'may not import xstate'],
    ['volume/a.ts', 'x;\n'.repeat(MAX_LINES + 1), 'lines'],
  ])('%s: %s', (path, text, expected) => {
    expect(violations({ path, text: head + text }).join()).toContain(expected);
  });

  test('a file without a heading', () => {
    expect(violations({ path: 'volume/a.ts', text: 'export const x = 1;\n' })).toHaveLength(1);
  });

  test('but what is allowed is', () => {
    const text = `${head}import { x } from '../engine/session.ts';\nimport { y } from '../machine/name.ts';\n`;
    expect(violations({ path: 'worker/a.ts', text })).toEqual([]);
    const pure = `${head}// Date.now() is a port's business\nexport type Y = Promise<number>;\nconst z = new Date(0);\n`;
    expect(violations({ path: 'machine/a.ts', text: pure })).toEqual([]);
  });
});
