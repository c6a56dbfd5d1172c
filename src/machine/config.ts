/** Machines as configurations: JSON or YAML, whose activities are commands. */
import { isAbsolute, join } from 'node:path/posix';
import { isMap, isScalar, LineCounter, parseDocument, type Document } from 'yaml';
import { z } from 'zod';
import type { CommandActivity, Machine } from './definition.ts';
import { UserError } from './errors.ts';
import { parseJson } from './json-text.ts';
import { durationProblem, machine, machineNameProblem } from './machine.ts';

/** What `machine()` checks too; checked here, every mistake is told, with its place. */
function mustHave<T>(
  problemOf: (value: T) => string | undefined,
): (value: T, context: z.RefinementCtx) => void {
  return (value, context) => {
    const message = problemOf(value);
    if (message !== undefined) context.addIssue({ code: 'custom', message });
  };
}

const duration = (least: number): z.ZodType<number | string> =>
  z
    .union([z.number(), z.string()])
    .superRefine(mustHave((value) => durationProblem(value, least)))
    .describe('Milliseconds, or 150ms, 1.5s, 2m, 1h');

const retrySchema = z.strictObject({
  maximumAttempts: z.int().min(1).optional(),
  initialInterval: duration(0).optional(),
  backoffCoefficient: z.number().min(1).optional(),
  maximumInterval: duration(0).optional(),
});

const activitySchema = z.strictObject({
  run: z
    .string()
    .min(1)
    .refine((line) => line.trim() !== '', 'it has to be a command line')
    .describe('Command line for /bin/sh -c: the state as JSON on stdin, the answer on stdout'),
  next: z.string().optional().describe('The state that follows when the command names none'),
  timeout: duration(1).optional(),
  retry: retrySchema.optional(),
  env: z.record(z.string(), z.coerce.string()).optional(),
  cwd: z.string().optional().describe("Working directory, relative to this file's folder"),
});

export const configurationSchema: z.ZodType = z
  .object({
    $schema: z.string().optional(),
    name: z.string().min(1).superRefine(mustHave(machineNameProblem)),
    version: z.coerce.string().optional(),
    states: z.array(z.string()).optional(),
    starting_state: z.string(),
    activities: z.record(z.string(), activitySchema),
  })
  .meta({ title: 'Flockwork machine configuration' });

interface Configuration {
  name: string;
  version?: string;
  states?: string[];
  starting_state: string;
  activities: Record<string, CommandActivity>;
}

const KNOWN = ['$schema', 'name', 'version', 'states', 'starting_state', 'activities'];

/** `folder`: where relative working directories start. Throws `bad-configuration`, with every problem. */
export function parseConfiguration(
  text: string,
  { file, folder }: { file: string; folder: string },
): Machine {
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
  return build(configurationSchema.parse(value) as Configuration, file, folder);
}

/** Throws `bad-configuration` for an alias without anchor, and for so many that only an attack has them. */
function toValue(document: Document, file: string): unknown {
  const version = document.get('version', true);
  // As it is written: 1.10 is not 1.1.
  if (isScalar(version) && typeof version.value === 'number') version.value = version.source;
  try {
    return document.toJS();
  } catch (error) {
    return refuse(file, [`${file}: ${(error as Error).message}`]);
  }
}

interface Problem {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

function shapeProblems(value: unknown): Problem[] {
  const checked = configurationSchema.safeParse(value);
  const issues = checked.success ? [] : checked.error.issues;
  return issues.flatMap((issue): Problem[] => {
    const where = issue.path.length === 0 ? '' : `${issue.path.join('.')}: `;
    if (issue.code !== 'unrecognized_keys') {
      return [{ path: issue.path, message: where + issue.message }];
    }
    const known = issue.path.includes('retry') ? retrySchema : activitySchema;
    return issue.keys.map((key) => ({
      path: [...issue.path, key],
      message: `${where}unknown key ${key}; there are ${Object.keys(known.shape).join(', ')}`,
    }));
  });
}

/** What the shape cannot say. */
function meaningProblems(value: unknown): Problem[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [];
  const { version, starting_state: start, activities, states } = value as Partial<Configuration>;
  const runnable = Object.keys(activities ?? {});
  const known = new Set([...runnable, ...(Array.isArray(states) ? states : [])]);
  const problems: Problem[] = Object.keys(value)
    .filter((key) => !KNOWN.includes(key) && !key.startsWith('x-'))
    .map((key) => ({
      path: [key],
      message: `unknown key ${key}; there are ${KNOWN.join(', ')}, and x-… for your own`,
    }));
  const needsActivity = (path: string[], state: unknown): void => {
    if (typeof state !== 'string' || runnable.includes(state)) return;
    const message = known.has(state)
      ? `${path.join('.')}: state ${state} has no activity, so nothing would run there`
      : `${path.join('.')}: there is no state ${state}; there are ${[...known].join(', ')}`;
    problems.push({ path, message });
  };
  const needsText = (path: string[], text: unknown): void => {
    // What the schema would turn into "null" or "[object Object]".
    if (typeof text !== 'object') return;
    problems.push({ path, message: `${path.join('.')}: it has to be text or a number` });
  };
  needsText(['version'], version);
  needsActivity(['starting_state'], start);
  for (const [state, activity] of Object.entries(activities ?? {})) {
    needsActivity(['activities', state, 'next'], activity?.next);
    for (const [name, text] of Object.entries(activity?.env ?? {})) {
      needsText(['activities', state, 'env', name], text);
    }
  }
  return problems;
}

/** Of the key, or of the nearest one around it that there is. */
function offsetOf(document: Document, path: readonly PropertyKey[]): number {
  for (let length = path.length; length > 0; length -= 1) {
    const around = document.getIn(path.slice(0, length - 1), true);
    const step = path[length - 1];
    const key = isMap(around)
      ? around.items.map((pair) => pair.key).find((one) => isScalar(one) && one.value === step)
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

function build(configuration: Configuration, file: string, folder: string): Machine {
  const { name, version, starting_state: initial } = configuration;
  const activities = Object.fromEntries(
    Object.entries(configuration.activities).map(([state, activity]) => {
      const cwd = activity.cwd ?? '.';
      return [state, { ...activity, cwd: isAbsolute(cwd) ? cwd : join(folder, cwd) }];
    }),
  );
  try {
    return machine({ name, initial, activities, ...(version !== undefined && { version }) });
  } catch (error) {
    return refuse(file, [`${file}: ${(error as Error).message}`]);
  }
}
