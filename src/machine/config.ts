/** Parses machine configurations, JSON or YAML: transitions, and activities that are commands. Compares two of one name. */
import { isAbsolute, join } from 'node:path/posix';
import {
  isAlias,
  isMap,
  isScalar,
  LineCounter,
  parseDocument,
  type Document,
  type YAMLMap,
} from 'yaml';
import {
  meaningProblems,
  pairKey,
  configurationSchema,
  keysAt,
  type Problem,
  type Configuration,
} from './config-schema.ts';
import type { Machine, TableOptions } from './definition.ts';
import { UserError, suggestion } from './errors.ts';
import { parseJson } from './json-text.ts';
import { machine } from './machine.ts';
import { impossible, type Cell } from './table.ts';

export interface ConfigurationSource {
  /** Shown in messages; `.json` is parsed as strict JSON. */
  readonly file: string;
  /** Relative working directories are relative to it. */
  readonly folder: string;
  /** Used if the text names no version. */
  readonly version?: string;
}

/** Throws `bad-configuration`, whose message has a line for each problem. */
export function parseConfiguration(text: string, source: ConfigurationSource): Machine {
  const { file } = source;
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const at = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${file}:${line}:${col}`;
  };
  const strict = file.endsWith('.json') ? parseJson(text) : undefined;
  if (strict?.ok === false)
    refuse(file, [`${file}:${strict.line}:${strict.column}: ${strict.reason}`]);
  const syntax = document.errors.map((error) => `${at(error.pos[0])}: ${error.message}`);
  if (syntax.length > 0) refuse(file, syntax);

  const value = toValue(document, file);
  const problems = [...shapeProblems(value), ...meaningProblems(value)];
  if (problems.length > 0) {
    refuse(
      file,
      problems.map(({ path, message }) => `${at(offsetOf(document, path))}: ${message}`),
    );
  }
  return build(configurationSchema().parse(value) as Configuration, source);
}

/** Throws `bad-configuration` for an alias without an anchor, and for an excessive number of aliases. */
function toValue(document: Document, file: string): unknown {
  try {
    useStandardKeys(document);
    asWritten(document.get('version', true));
    for (const env of environments(document)) {
      for (const pair of env.items) {
        const text = isAlias(pair.value) ? pair.value.resolve(document) : pair.value;
        // Other places may use the same anchor with its own type.
        pair.value = isAlias(pair.value) && isScalar(text) ? text.clone() : text;
        asWritten(pair.value);
      }
    }
    return document.toJS();
  } catch (error) {
    return refuse(file, [`${file}: ${(error as Error).message}`]);
  }
}

function environments(document: Document): YAMLMap[] {
  const parts = ['activities', 'hooks'].map((part) => mapAt(document, document.get(part, true)));
  return parts
    .flatMap((part) => part?.items.map(({ value }) => mapAt(document, value)) ?? [])
    .map((activity) => mapAt(document, activity?.get('env', true)))
    .filter((env) => env !== undefined);
}

function mapAt(document: Document, node: unknown): YAMLMap | undefined {
  const found = isAlias(node) ? node.resolve(document) : node;
  return isMap(found) ? found : undefined;
}

function shapeProblems(value: unknown): Problem[] {
  const checked = configurationSchema().safeParse(value);
  const issues = checked.success ? [] : checked.error.issues;
  return issues.flatMap((issue): Problem[] => {
    const where = issue.path.length === 0 ? '' : `${issue.path.join('.')}: `;
    if (issue.code !== 'unrecognized_keys') {
      return [{ path: issue.path, message: where + issue.message }];
    }
    return issue.keys.map((key) => ({
      path: [...issue.path, key],
      message: `${where}unknown key ${key}${suggestion(key, keysAt(issue.path))}`,
    }));
  });
}

/** Offset of the key, or of the nearest enclosing one that exists. */
function offsetOf(document: Document, path: readonly PropertyKey[]): number {
  for (let length = path.length; length > 0; length -= 1) {
    const around = document.getIn(path.slice(0, length - 1), true);
    const step = path[length - 1];
    const key = isMap(around)
      ? around.items
          .map((pair) => pair.key)
          .find((one) => isScalar(one) && String(one.value) === step)
      : document.getIn(path.slice(0, length), true);
    const range = (key as { range?: number[] } | undefined)?.range;
    if (range !== undefined) return range[0] ?? 0;
  }
  return 0;
}

function refuse(file: string, all: string[]): never {
  const problems = [...new Set(all)];
  throw new UserError('bad-configuration', problems.join('\n'), { file, problems });
}

function build(
  configuration: Configuration,
  { file, folder, ...source }: ConfigurationSource,
): Machine {
  const { name, version = source.version, starting_state: initial } = configuration;
  const activities = inFolder(configuration.activities, folder);
  const common = { name, initial, activities, ...(version !== undefined && { version }) };
  try {
    const table = tableOf(configuration, folder);
    return table === undefined ? machine(common) : machine({ ...common, ...table });
  } catch (error) {
    return refuse(file, [`${file}: ${(error as Error).message}`]);
  }
}

function inFolder<Command extends { cwd?: string }>(
  commands: Readonly<Record<string, Command>> = {},
  folder: string,
): Record<string, Command> {
  return Object.fromEntries(
    Object.entries(commands).map(([key, command]) => {
      const cwd = command.cwd ?? '.';
      return [key, { ...command, cwd: isAbsolute(cwd) ? cwd : join(folder, cwd) }];
    }),
  );
}

type TableParts = Pick<TableOptions, 'states' | 'events' | 'table' | 'after' | 'goals' | 'hooks'>;

/** Pairs without a transition are `impossible`, not `same`. */
function tableOf(configuration: Configuration, folder: string): TableParts | undefined {
  const { states = [], transitions, after = {}, goals = {}, hooks } = configuration;
  if (transitions === undefined) return undefined;
  const events = [...new Set(transitions.map(({ event }) => event))];
  const rows = states.map((state) => {
    const own = transitions.filter(({ from }) => from === state);
    const cells = events.map((event): [string, Cell] => [
      event,
      own.find((one) => one.event === event)?.to ?? impossible,
    ]);
    return [state, Object.fromEntries(cells)] as const;
  });
  const parts = { states, events, table: Object.fromEntries(rows), after, goals };
  if (hooks === undefined) return parts;
  const runs = new Map(transitions.map(({ from, event, run }) => [pairKey(from, event), run]));
  return {
    ...parts,
    hooks: {
      after: ({ state, event }) => {
        const run = runs.get(pairKey(state, event));
        return run === undefined ? [] : [{ run }];
      },
      activities: inFolder(hooks, folder),
    },
  };
}

/** Replaces the value of a node that must be text by its source, unless it is null. */
export function asWritten(node: unknown): void {
  if (!isScalar(node) || node.value === null || typeof node.value === 'string') return;
  if (node.source !== undefined) node.value = node.source;
}

const ALSO: Readonly<Record<string, string>> = { startingState: 'starting_state' };

/** Renames them in the document, keeping positions. A key that is present in both forms is left for the schema to refuse. */
function useStandardKeys({ contents }: Document): void {
  if (!isMap(contents)) return;
  for (const { key } of contents.items) {
    const standard = isScalar(key) ? ALSO[String(key.value)] : undefined;
    if (isScalar(key) && standard !== undefined && !contents.has(standard)) key.value = standard;
  }
}

const MAX_SHOWN_LENGTH = 60;

/** Equal in both, though perhaps written differently: 1.10 or "1.10". */
const KEY: readonly string[] = ['name', 'version'];

/** One line for each difference; empty if only comments and the order of keys differ. */
export function configurationDifferences(stored: string, given: string): string[] {
  return stored === given ? [] : differences(valueOf(stored), valueOf(given), []);
}

function valueOf(text: string): unknown {
  const document = parseDocument(text);
  if (document.errors.length > 0) return text;
  try {
    useStandardKeys(document);
    return document.toJS();
  } catch {
    // An alias without an anchor, or too many aliases.
    return text;
  }
}

function differences(stored: unknown, given: unknown, path: readonly string[]): string[] {
  if (isPart(stored) && isPart(given) && Array.isArray(stored) === Array.isArray(given)) {
    const keys = new Set([...Object.keys(stored), ...Object.keys(given)]);
    const telling = [...keys].filter((key) => path.length > 0 || !KEY.includes(key));
    return telling.flatMap((key) =>
      differences(ownValue(stored, key), ownValue(given, key), [...path, key]),
    );
  }
  if (Object.is(stored, given)) return [];
  const where = path.length === 0 ? 'the configuration' : path.join('.');
  return [`${where}: ${show(stored)} is stored, not ${show(given)}`];
}

function isPart(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function ownValue(value: Readonly<Record<string, unknown>>, key: string): unknown {
  return Object.hasOwn(value, key) ? value[key] : undefined;
}

function show(value: unknown): string {
  const text = value === undefined ? 'nothing' : JSON.stringify(value);
  return text.length > MAX_SHOWN_LENGTH ? `${text.slice(0, MAX_SHOWN_LENGTH)}…` : text;
}
