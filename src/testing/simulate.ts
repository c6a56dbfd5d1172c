/** Simulation of a user's own machines: real workers in virtual time, with faults that are drawn from seeds. */
import { problemsOf } from '../engine/validate.ts';
import type { Json, Machine, NewInstance } from '../index.ts';
import { UserError } from '../machine/errors.ts';
import { jsonProblem } from '../machine/json-problem.ts';
import { createRegistry } from '../machine/registry.ts';
import { formatStateFile } from '../machine/state-file.ts';
import {
  addOutcome,
  noTotals,
  runSeed,
  type Totals,
  type SimulatedEngine,
} from '../sim/campaign.ts';
import { checkSimulated, type InstanceEnd, type OwnWork } from '../sim/own-work.ts';

/** An event, sent at a random time of a run. */
export interface SimulatedEvent {
  /** The instance. */
  readonly to: string;
  readonly event: string;
  readonly details?: Json;
}

export interface SimulateOptions {
  readonly machines: readonly Machine[];
  /** By name. All are submitted when a run begins. */
  readonly instances: Readonly<Record<string, NewInstance>>;
  readonly events?: readonly SimulatedEvent[];
  /** Number of runs, with the seeds 1, 2, …; or the seeds, for example of findings. */
  readonly seeds: number | readonly string[];
  /** Engine that the workers share. Default: `memory`, which is the fastest. */
  readonly engine?: SimulatedEngine;
  /** Number of worker processes. Default: as the seed says. */
  readonly workers?: number;
  /**
   * Called after each run in which the engine and the workers kept their promises, with the end of each instance by name,
   * branches included. Throws if the machines have broken one of theirs: any assertion will do.
   */
  readonly check?: (ends: ReadonlyMap<string, InstanceEnd>) => void;
  /** Takes each line of the runs' traces: time (s), process, event. */
  readonly trace?: (line: string) => void;
}

export interface SimulationFinding {
  /** Repeats the run. */
  readonly seed: string;
  /** A broken promise (of the engine, or `check`); a run that does not end; an error in a worker. */
  readonly verdict: 'safety' | 'liveness' | 'crash';
  readonly message: string;
  /** The faults that were injected, for people. */
  readonly faults: readonly string[];
}

export interface SimulationResult extends Totals {
  /** Empty: nothing was found. */
  readonly findings: readonly SimulationFinding[];
}

/**
 * Runs machines under faults: crashed, suspended and stopping workers, calls that fail or lose their replies, and on a volume
 * all that can happen to files and clocks. The same seed gives the same run as long as ticks depend on nothing but their
 * context, and wait by `pause` only: no other time passes.
 *
 * @throws UserError `bad-state`, `duplicate-machine`; `not-simulated` for commands.
 */
export async function simulate(options: SimulateOptions): Promise<SimulationResult> {
  const { seeds, engine = 'memory', workers, trace } = options;
  const own = workOf(options);
  const wishes = workers === undefined ? {} : { workers };
  const totals = noTotals();
  const findings: SimulationFinding[] = [];
  for (const seed of typeof seeds === 'number' ? numbered(seeds) : seeds) {
    const outcome = await runSeed(seed, { engine, wishes, own }, trace && { trace });
    addOutcome(totals, outcome);
    const { verdict, message, injected } = outcome;
    if (verdict === 'ok') continue;
    findings.push({ seed, verdict, message, faults: injected.map(({ what }) => what) });
  }
  return { ...totals, findings };
}

const numbered = (count: number): string[] =>
  Array.from({ length: count }, (_, index) => String(index + 1));

function workOf({ machines, instances, events = [], check }: SimulateOptions): OwnWork {
  const registry = createRegistry(machines);
  checkSimulated(registry);
  const stateFiles = new Map(
    Object.entries(instances).map(([instance, file]) => {
      const state = file.state ?? file.machine.split(':')[0]!;
      const problem = jsonProblem(file.payload ?? {}, 'payload');
      if (problem !== undefined) {
        throw new UserError('bad-state', `cannot submit ${instance}: ${problem}`);
      }
      return [`${instance}.state`, formatStateFile({ payload: {}, ...file, state })];
    }),
  );
  const encoder = new TextEncoder();
  const candidates = Array.from(stateFiles, ([name, text]) => {
    return { name, source: name, bytes: encoder.encode(text) };
  });
  const problems = problemsOf(candidates);
  if (problems.length > 0) throw new UserError('bad-state', problems.join('\n  '), { problems });
  return {
    registry,
    stateFiles,
    events: events.map((event, index) => ({ ...event, id: `event-${index}` })),
    ...(check && { check }),
  };
}
