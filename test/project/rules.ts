/**
 * The rules of the house (docs: who may import whom, and what the pure parts may not know), as one
 * function from a source file to what is wrong with it. `tidy.test.ts` holds src/ to them.
 */
import { builtinModules } from 'node:module';
import { dirname, join } from 'node:path/posix';
import { parseSync, visitorKeys, type ParseResult } from 'oxc-parser';

/** A file and its text; the path is relative to `src/`. */
export interface Source {
  readonly path: string;
  readonly text: string;
}

/** Every folder of src/, and what of src/ it may import: a folder, or one file of it. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  machine: [],
  semaphore: [],
  volume: ['machine', 'semaphore'],
  worker: ['machine', 'semaphore', 'volume/contract.ts'],
  cli: ['machine', 'semaphore', 'volume', 'worker'],
};

/** No input or output, no waiting, no clock, no chance: these come in as arguments. */
const PURE: ReadonlySet<string> = new Set(['machine', 'semaphore']);
const PURE_MODULES: ReadonlySet<string> = new Set([
  'node:path/posix',
  'jsonc-parser',
  'yaml',
  'zod',
]);
const IMPURE_GLOBALS: ReadonlySet<string> = new Set([
  'Promise',
  'clearInterval',
  'clearTimeout',
  'console',
  'crypto',
  'fetch',
  'globalThis',
  'performance',
  'process',
  'queueMicrotask',
  'require',
  'setImmediate',
  'setInterval',
  'setTimeout',
]);
const IMPURE_MEMBERS: ReadonlySet<string> = new Set(['Date.now', 'Math.random']);

const MAX_LINES = 400;

/** Sentences on what is wrong, each with its line where there is one. */
export function violations(source: Source): string[] {
  const parsed = parse(source);
  if (parsed.errors.length > 0) return parsed.errors.map(({ message }) => `syntax: ${message}`);
  const file = new File(source, parsed);
  return [
    ...shape(file),
    ...imports(file),
    ...escapes(file),
    ...(PURE.has(file.folder) ? impurities(file) : []),
    ...(source.path === 'index.ts' ? publicNames(file) : []),
  ];
}

const parse = ({ path, text }: Source): ParseResult =>
  parseSync(path, text, { sourceType: 'module' });

/** Folders that import each other, directly or through others, as `a → b → a`. */
export function folderCycles(sources: readonly Source[]): string[] {
  const edges = new Map<string, Set<string>>();
  for (const source of sources) {
    const from = folderOf(source.path);
    for (const { target } of importsOf(source.path, parse(source))) {
      if (target !== undefined && folderOf(target) !== from) {
        edges.set(from, (edges.get(from) ?? new Set()).add(folderOf(target)));
      }
    }
  }
  const cycles = new Set<string>();
  const follow = (path: readonly string[]): void => {
    for (const next of edges.get(path.at(-1)!) ?? []) {
      if (next === path[0]) cycles.add([...path, next].join(' → '));
      // Each cycle once: from the folder that comes first in the alphabet.
      else if (next > path[0]! && !path.includes(next)) follow([...path, next]);
    }
  };
  for (const folder of edges.keys()) follow([folder]);
  return [...cycles];
}

/** One parsed source file. */
class File {
  readonly path: string;
  readonly text: string;
  readonly folder: string;
  readonly parsed: ParseResult;

  constructor({ path, text }: Source, parsed: ParseResult) {
    this.path = path;
    this.text = text;
    this.folder = folderOf(path);
    this.parsed = parsed;
  }

  line(offset: number): number {
    return this.text.slice(0, offset).split('\n').length;
  }

  say(offset: number, what: string): string {
    return `line ${this.line(offset)}: ${what}`;
  }
}

function folderOf(path: string): string {
  return path.includes('/') ? path.slice(0, path.indexOf('/')) : '';
}

/** Length, and a comment that says what the file is for. */
function* shape(file: File): Generator<string> {
  const lines = file.text.trimEnd().split('\n').length;
  if (lines > MAX_LINES) yield `${lines} lines: over ${MAX_LINES} it is two concepts`;
  if (!file.text.replace(/^#!.*\n/, '').startsWith('/**')) yield 'no comment at its head';
}

interface Import {
  readonly name: string;
  /** Of a relative import: the path under `src/`. */
  readonly target: string | undefined;
  readonly offset: number;
}

function importsOf(path: string, { module }: ParseResult): Import[] {
  const requests = [
    ...module.staticImports.map((one) => one.moduleRequest),
    ...module.staticExports.flatMap(({ entries }) =>
      entries.map((entry) => entry.moduleRequest).filter((request) => request !== null),
    ),
  ];
  return requests.map(({ value, start }) => ({
    name: value,
    target: value.startsWith('.') ? join(dirname(path), value) : undefined,
    offset: start,
  }));
}

function* imports(file: File): Generator<string> {
  const allowed = MAY_IMPORT[file.folder];
  if (allowed === undefined && file.path !== 'index.ts') {
    yield `src/${file.path}: no folder of the house; the rules say nothing of it`;
    return;
  }
  for (const { name, target, offset } of importsOf(file.path, file.parsed)) {
    if (target !== undefined && allowed !== undefined) {
      const inside = folderOf(target) === file.folder;
      const fits = inside || allowed.includes(folderOf(target)) || allowed.includes(target);
      if (!fits) yield file.say(offset, `${file.folder} must not import ${target}`);
    } else if (target === undefined && PURE.has(file.folder) && !PURE_MODULES.has(name)) {
      const kind =
        name.startsWith('node:') || builtinModules.includes(name) ? 'input or output' : '';
      yield file.say(offset, `${file.folder} must not import ${name} ${kind}`.trimEnd());
    }
  }
}

/** Ways around the type checker need a reason beside them. */
function* escapes(file: File): Generator<string> {
  for (const { value, start } of file.parsed.comments) {
    const directive = /@ts-(?:ignore|nocheck|expect-error)/.exec(value)?.[0];
    if (directive !== undefined) yield file.say(start, directive);
  }
  for (const { node } of walk(file.parsed.program, { types: true })) {
    if (node.type !== 'TSAnyKeyword') continue;
    const end = file.text.indexOf('\n', node.end);
    if (!file.text.slice(node.end, end === -1 ? undefined : end).includes('//')) {
      yield file.say(node.start, '`any` without a comment that says why');
    }
  }
}

function* impurities(file: File): Generator<string> {
  for (const { node, parent, key } of walk(file.parsed.program, { types: false })) {
    const found = impurity(node, parent, key);
    if (found !== undefined) yield file.say(node.start, `${file.folder} is pure: no ${found}`);
  }
}

function impurity(node: Node, parent: Node | undefined, key: string): string | undefined {
  switch (node.type) {
    case 'AwaitExpression':
      return 'await';
    case 'ForOfStatement':
      return node['await'] === true ? 'await' : undefined;
    case 'ImportExpression':
      return 'import()';
    case 'ArrowFunctionExpression':
    case 'FunctionDeclaration':
    case 'FunctionExpression':
      return node['async'] === true ? 'async' : undefined;
    case 'MemberExpression': {
      const name = `${nameOf(node['object'])}.${nameOf(node['property'])}`;
      return IMPURE_MEMBERS.has(name) ? name : undefined;
    }
    case 'NewExpression':
    case 'CallExpression': {
      const bare = (node['arguments'] as unknown[]).length === 0;
      return nameOf(node['callee']) === 'Date' && bare ? 'new Date()' : undefined;
    }
    case 'Identifier': {
      // `x.process` and `{ process: 1 }` are names of something else.
      const named =
        (parent?.type === 'MemberExpression' &&
          key === 'property' &&
          parent['computed'] !== true) ||
        (key === 'key' && parent?.['computed'] !== true && parent?.['shorthand'] !== true);
      const name = nameOf(node);
      return !named && IMPURE_GLOBALS.has(name) ? name : undefined;
    }
    default:
      return undefined;
  }
}

/** `index.ts` names what is public; it defines nothing, and exports nothing by the way. */
function* publicNames(file: File): Generator<string> {
  for (const statement of file.parsed.program.body) {
    const byName = statement.type === 'ExportNamedDeclaration' && statement.source !== null;
    if (!byName) yield file.say(statement.start, 'index.ts only exports names of other files');
  }
}

interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [key: string]: unknown;
}

/** Expressions that carry a type: what they wrap is there at run time. */
const WRAPPERS: ReadonlySet<string> = new Set([
  'TSAsExpression',
  'TSInstantiationExpression',
  'TSNonNullExpression',
  'TSSatisfiesExpression',
]);

/** Every node, parents first; without `types`, only what is there at run time. */
function* walk(
  node: unknown,
  options: { types: boolean },
  parent?: Node,
  key: string = '',
): Generator<{ node: Node; parent: Node | undefined; key: string }> {
  if (!isNode(node)) return;
  if (!options.types && node.type.startsWith('TS') && !WRAPPERS.has(node.type)) return;
  yield { node, parent, key };
  for (const child of visitorKeys[node.type] ?? []) {
    for (const one of [node[child]].flat()) yield* walk(one, options, node, child);
  }
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'type' in value;
}

function nameOf(node: unknown): string {
  return isNode(node) && typeof node['name'] === 'string' ? node['name'] : '';
}
