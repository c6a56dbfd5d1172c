/** Checks the rules of docs/architecture.md (imports, purity, file size) and the words of all texts. */
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, expect, test } from 'vitest';

const SRC = join(import.meta.dirname, '../../src');
const MAX_LINES = 600;

/** Folder of src/ → the folders and files of src/ that it may import, besides itself. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  machine: [],
  engine: ['machine'],
  worker: ['machine', 'engine'],
  volume: ['machine', 'engine'],
  database: ['machine', 'engine'],
  postgres: ['machine', 'engine', 'database'],
  doctor: ['machine', 'engine', 'volume'],
  render: ['machine'],
  check: ['machine'],
  xstate: ['machine'],
  sim: ['machine', 'engine', 'volume', 'worker'],
  api: ['machine', 'engine', 'worker', 'volume', 'database', 'postgres', 'doctor'],
  testing: ['machine', 'engine', 'worker', 'sim', 'index.ts'],
  cli: ['api', 'machine', 'engine', 'volume', 'worker', 'doctor', 'sim', 'render', 'check'],
  'index.ts': ['machine', 'check', 'engine', 'worker', 'api'],
};

/** Concepts of a volume, which a worker must not know. */
const VOLUME_WORDS = /(?<!\.)\b(phase|cycle|window|roster|ring|slice)s?\b/i;

/** Folders and files without effects. */
const PURE: readonly string[] = [
  'machine',
  'volume/phases',
  'worker/plan.ts',
  'cli/inbox/rules.ts',
  'database/settlement.ts',
  'database/steps.ts',
  'doctor/advice.ts',
  'doctor/file-system.ts',
  'doctor/judge.ts',
  'postgres/client-functions.ts',
  'postgres/rows.ts',
  'postgres/schema.ts',
  'postgres/session-functions.ts',
  'render',
  'check',
  'xstate/definition.ts',
  'xstate/snapshot.ts',
  'xstate/index.ts',
];

/** Effects that must come in through a port. Types are erased, so `Promise<…>` as a type is allowed. */
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

/** Removes comments and template texts. */
function codeOf(source: string): string {
  return (
    source
      .replace(/\/\*[^]*?\*\//g, '')
      .replace(/(^|\s)\/\/.*$/gm, '')
      // A hash is a pure function of its text.
      .replace(/import \{ (createHash|hash) \} from 'node:crypto';/, '')
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
  if (word !== null) found.push(`${path} says "${word[0]}", a concept of volume/`);
  if (folder !== 'xstate' && /\bfrom 'xstate'/.test(text)) {
    found.push(`${path} may not import xstate, an optional dependency`);
  }
  if (/^import (?!type)[^;]*\bfrom 'pg'/m.test(text)) {
    found.push(`${path} may load pg, an optional dependency, only when it is asked for`);
  }
  if (
    text.includes('import.meta.url') &&
    (path.split('/').length !== 2 || /URL\([`'"](?!\.\.)/.test(text))
  ) {
    found.push(`${path} asks for its own URL, which is another one in the bundle: see build.ts`);
  }
  return [...found, ...shapeProblems({ path, text })];
}

function shapeProblems({ path, text }: SourceFile): string[] {
  const found: string[] = [];
  const lines = text.split('\n').length - 1;
  if (lines > MAX_LINES) found.push(`${path} has ${lines} lines: probably two concepts`);
  if (!/^(#!.*\n)?\/\*\*/.test(text))
    found.push(`${path} does not begin with a comment on its purpose`);
  return found;
}

function filesIn(folder: string): SourceFile[] {
  const isOther = (path: string): boolean => /(^|\/)(\.|node_modules)/.test(path);
  return globSync('**/*.ts', { cwd: folder, exclude: isOther })
    .filter((path) => !isOther(path))
    .map((path) => ({ path, text: readFileSync(join(folder, path), 'utf8') }));
}

const files: SourceFile[] = filesIn(SRC);

test('every file of src/ follows the rules', () => {
  expect(files.length).toBeGreaterThan(40);
  expect(files.flatMap(violations)).toEqual([]);
});

/** By file: those that it loads with itself. Types are erased. */
const imports: ReadonlyMap<string, readonly string[]> = new Map(
  files.map(({ path, text }) => [
    path,
    Array.from(
      text.matchAll(/^(?:import|export) (?!type)[^;]*?\bfrom '(\.[^']+)'/gm),
      ([, target = '']) => relative(SRC, join(SRC, dirname(path), target)),
    ),
  ]),
);

test('a worker loads neither the simulator nor the exercise of engines', () => {
  const loaded = new Set([
    'cli/main.ts',
    'cli/program.ts',
    'cli/commands/worker.ts',
    'cli/tick-thread.ts',
    'index.ts',
  ]);
  for (const path of loaded) for (const next of imports.get(path) ?? []) loaded.add(next);
  expect(loaded).toContain('cli/commands/worker.ts');
  expect(loaded).toContain('worker/worker.ts');
  expect([...loaded].filter((path) => /^(sim|testing)\//.test(path))).toEqual([]);
});

test('imports have no cycles', () => {
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

/** The subject of a sentence is a named thing: banned word → what to write instead. */
const BANNED_WORDS: Readonly<Record<string, string>> = {
  whoever: 'the session, worker, process or user that …',
  nobody: 'no session, no worker, no user',
  somebody: 'a session, a worker, a user',
  everybody: 'every session, all workers, all users',
  he: 'the session, the worker, the user',
  him: 'the session, the worker, the user',
  his: "its, the session's, the user's",
  'the dead': 'dead sessions',
  'the living': 'live sessions',
  bury: 'remove, recover (a dead session)',
  heart: 'heartbeat',
  owed: 'unfinished, pending',
  mend: 'repair, fix, resolve',
  'in vain': 'without effect, unsuccessfully',
};

/** Texts in which a banned word is a name. */
const ALLOWED_WORDS: Readonly<Record<string, readonly string[]>> = {
  // The hash of these names decides about faults: other names change what a seed means.
  'src/sim/workloads.ts': ["'nobody'"],
  'src/sim/rare-faults.ts': ["'nobody'"],
  'src/sim/user.ts': ["'nobody.aaaaaaaa'"],
};

/** As nouns only: "the dead session" is plain. */
const BANNED = new RegExp(
  `\\b(${Object.keys(BANNED_WORDS).join('|').replaceAll(' ', '[\\s*/#]+')})\\b(?!\\s+sessions?\\b)`,
  'gi',
);

function wordProblems({ path, text }: SourceFile): string[] {
  const checked = (ALLOWED_WORDS[path] ?? []).reduce(
    (rest, name) => rest.replaceAll(name, ''),
    text,
  );
  return Array.from(checked.matchAll(BANNED), ({ 0: found, index }) => {
    const line = checked.slice(0, index).split('\n').length;
    const word = found.replaceAll(/[\s*/#]+/g, ' ');
    return `${path}:${line}: "${word}": write ${BANNED_WORDS[word.toLowerCase()]}`;
  });
}

test('comments, messages, test names and docs have no banned words', () => {
  const root = join(SRC, '..');
  const patterns = [
    '{src,test,bench,examples}/**/*.{ts,yaml,sh,c}',
    'test/docker/run',
    '.ci/*',
    '*.yaml',
    'Dockerfile',
    'docs/*.md',
    '{README,CONTRIBUTING,SECURITY}.md',
  ];
  // Not CHANGELOG.md, which quotes texts of earlier versions, and not this file, which has the list.
  const paths = globSync(patterns, { cwd: root, exclude: (path) => path.includes('node_modules') });
  expect(paths.length).toBeGreaterThan(400);
  const problems = paths
    .filter((path) => path !== 'test/project/tidy.test.ts')
    .toSorted()
    .flatMap((path) => wordProblems({ path, text: readFileSync(join(root, path), 'utf8') }));
  expect(problems).toEqual([]);
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

test('every file of bench/ has a purpose and at most 600 lines', () => {
  const bench = filesIn(join(SRC, '../bench'));
  expect(bench.length).toBeGreaterThan(20);
  expect(bench.flatMap(shapeProblems)).toEqual([]);
});

test('every folder of src/ is listed with its imports', () => {
  const folders = new Set(files.map(({ path }) => path.split('/')[0]!));
  expect([...folders].filter((folder) => MAY_IMPORT[folder] === undefined)).toEqual([]);
});

describe('wordProblems', () => {
  test('finds a banned word in any case and over a line break, with its line and replacement', () => {
    const text = '/** Only one.\n * Whoever looks in\n * vain. */\n';
    expect(wordProblems({ path: 'a.ts', text })).toEqual([
      `a.ts:2: "Whoever": write ${BANNED_WORDS['whoever']}`,
      `a.ts:2: "in vain": write ${BANNED_WORDS['in vain']}`,
    ]);
  });

  test('accepts longer words, and the exceptions of a file', () => {
    const text = "heartbeat, mended, 'nobody'";
    expect(wordProblems({ path: 'src/sim/rare-faults.ts', text })).toEqual([]);
    expect(wordProblems({ path: 'src/sim/rare-faults.ts', text: 'nobody' })).toHaveLength(1);
  });
});

describe('violations', () => {
  const head = '/** What. */\n';
  test.each([
    [
      'machine/a.ts',
      "import { x } from '../volume/phases/cycle.ts';",
      'may not import volume/phases/cycle.ts',
    ],
    ['worker/a.ts', 'const isWithin = cycle;', 'says "cycle"'],
    ['a.ts', 'const own = import.meta.url;', 'asks for its own URL'],
    ['cli/commands/a.ts', "new URL('../main.ts', import.meta.url);", 'asks for its own URL'],
    ['volume/a.ts', 'new URL(`./b${extension}`, import.meta.url);', 'asks for its own URL'],
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

  test('finds a file without a comment at its head', () => {
    expect(violations({ path: 'volume/a.ts', text: 'export const x = 1;\n' })).toHaveLength(1);
  });

  test('accepts allowed imports, and types and comments of effects', () => {
    const text = `${head}import { x } from '../engine/session.ts';\nimport { y } from '../machine/name.ts';\n`;
    expect(violations({ path: 'worker/a.ts', text })).toEqual([]);
    const pure = `${head}// Date.now() is a port's business\nexport type Y = Promise<number>;\nconst z = new Date(0);\n`;
    expect(violations({ path: 'machine/a.ts', text: pure })).toEqual([]);
  });
});
