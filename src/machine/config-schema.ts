/** The JSON Schema of a configuration. `config-problems.ts` has the other checks. */
import { z } from 'zod';
import type { CommandActivity } from './definition.ts';
import { durationProblem } from './duration.ts';
import { machineNameProblem } from './machine.ts';

/** Checks of `machine()`, repeated here so that every problem is reported with its position. */
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
  nonRetryableExitStatuses: z
    .array(z.int().min(1).max(255))
    .optional()
    .describe(
      'An exit status of the command that is listed here is not retried; nor are 126 and 127',
    ),
});

const hookSchema = z.strictObject({
  run: z
    .string()
    .min(1)
    .refine((line) => line.trim() !== '', 'expected a command line')
    .describe('Command line for /bin/sh -c: the state as JSON on stdin, the answer on stdout'),
  output: z
    .enum(['json', 'text', 'none'])
    .optional()
    .describe(
      'Meaning of standard output: json (default), an answer; text, the output of a last step, otherwise logged; none, ignored',
    ),
  timeout: duration(1).optional(),
  retry: retrySchema.optional(),
  env: z.record(z.string(), z.coerce.string()).optional(),
  cwd: z.string().optional().describe("Working directory, relative to this file's folder"),
});

const activitySchema = hookSchema.extend({
  next: z.string().optional().describe('The state that follows unless the command names one'),
});

const named = z.string().min(1);

const transitionSchema = z.strictObject({
  from: named,
  to: named,
  event: named,
  run: named.optional().describe('The hook that runs after the transition'),
});

const tableSchemas = {
  states: z.array(named).optional().describe('All of them; required with transitions'),
  transitions: z
    .array(transitionSchema)
    .min(1)
    .optional()
    .describe('An event without a transition from a state is not allowed there'),
  after: z
    .record(z.string(), z.record(z.string(), named))
    .optional()
    .describe(
      'State, duration, event: sent to the instance itself unless it has left the state by then',
    ),
  goals: z
    .record(z.string(), named)
    .optional()
    .describe(
      'Event, goal: what the instance works toward from that event on, kept as payload.goal',
    ),
};

const schema = z
  .object({
    $schema: z.string().optional(),
    name: z.string().min(1).superRefine(mustHave(machineNameProblem)),
    version: z.coerce.string().optional(),
    starting_state: z.string(),
    ...tableSchemas,
    activities: z.record(z.string(), activitySchema).optional(),
    hooks: z
      .record(z.string(), hookSchema)
      .optional()
      .describe('Commands that run after transitions: the instance takes no event until they end'),
  })
  .meta({ title: 'Flockwork machine configuration' });

export const configurationSchema: z.ZodType = schema;

export const KNOWN_KEYS: readonly string[] = Object.keys(schema.shape);

interface Transition {
  from: string;
  to: string;
  event: string;
  /** The name of a hook. */
  run?: string;
}

/** The transition table of a configuration. */
export interface TablePart {
  states?: string[];
  transitions?: Transition[];
  /** Its keys are not yet checked to be durations. */
  after?: Record<string, Record<string, string>>;
  goals?: Record<string, string>;
}

export interface Configuration extends TablePart {
  name: string;
  version?: string;
  starting_state: string;
  activities?: Record<string, CommandActivity>;
  hooks?: Record<string, Omit<CommandActivity, 'next'>>;
}

/** The keys of the table whose values have the right shape. */
export function tablePart(value: Readonly<Record<string, unknown>>): TablePart {
  const parts = Object.entries(tableSchemas).map(([key, part]) => {
    const checked = part.safeParse(value[key]);
    return [key, checked.success ? checked.data : undefined] as const;
  });
  return Object.fromEntries(parts.filter(([, data]) => data !== undefined)) as TablePart;
}

/** The known keys of the object at `path`. */
export function keysAt(path: readonly PropertyKey[]): string[] {
  const part = path.includes('retry')
    ? retrySchema
    : path[0] === 'transitions'
      ? transitionSchema
      : path[0] === 'hooks'
        ? hookSchema
        : activitySchema;
  return Object.keys(part.shape);
}
