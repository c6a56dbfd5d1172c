/** Machines as configurations: JSON or YAML, whose activities are commands. */
import { isAbsolute, join } from 'node:path/posix';
import { LineCounter, parseDocument, type Document } from 'yaml';
import { z } from 'zod';
import type { CommandActivity, Machine } from './definition.ts';
import { UserError } from './errors.ts';
import { parseJson } from './json-text.ts';
import { machine } from './machine.ts';

const durationSchema = z
  .union([z.number(), z.string()])
  .describe('Milliseconds, or 150ms, 1.5s, 2m, 1h');

const activitySchema = z.strictObject({
  run: z
    .string()
    .min(1)
    .describe('Command line for /bin/sh -c: the state as JSON on stdin, the answer on stdout'),
  next: z.string().optional().describe('The state that follows when the command names none'),
  timeout: durationSchema.optional(),
  retry: z
    .strictObject({
      maximumAttempts: z.int().min(1).optional(),
      initialInterval: durationSchema.optional(),
      backoffCoefficient: z.number().min(1).optional(),
      maximumInterval: durationSchema.optional(),
    })
    .optional(),
  env: z.record(z.string(), z.coerce.string()).optional(),
  cwd: z.string().optional().describe("Working directory, relative to this file's folder"),
});

export const configurationSchema: z.ZodType = z
  .object({
    $schema: z.string().optional(),
    name: z.string().min(1),
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

  const value: unknown = document.toJS();
  const problems = [...shapeProblems(value), ...meaningProblems(value)];
  if (problems.length > 0) {
    refuse(
      file,
      problems.map(({ path, message }) => `${at(offsetOf(document, path))}: ${message}`),
    );
  }
  return build(configurationSchema.parse(value) as Configuration, file, folder);
}

interface Problem {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

function shapeProblems(value: unknown): Problem[] {
  const checked = configurationSchema.safeParse(value);
  const issues = checked.success ? [] : checked.error.issues;
  return issues.map(({ path, message }) => ({
    path,
    message: path.length === 0 ? message : `${path.join('.')}: ${message}`,
  }));
}

/** What the shape cannot say. */
function meaningProblems(value: unknown): Problem[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [];
  const { starting_state: start, activities, states } = value as Partial<Configuration>;
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
  needsActivity(['starting_state'], start);
  for (const [state, activity] of Object.entries(activities ?? {})) {
    needsActivity(['activities', state, 'next'], activity?.next);
  }
  return problems;
}

/** Of the nearest part that there is. */
function offsetOf(document: Document, path: readonly PropertyKey[]): number {
  for (let length = path.length; length > 0; length -= 1) {
    const node = document.getIn(path.slice(0, length), true) as { range?: number[] } | undefined;
    if (node?.range !== undefined) return node.range[0] ?? 0;
  }
  return 0;
}

function refuse(file: string, problems: string[]): never {
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
