/** `ClientApi.reset` on a database: finds what follows from the steps that are to be undone, and undoes it in one call. */
import type { ResetFilter, ResetResult } from '../engine/engine.ts';
import { forkingState, resetProblem } from '../engine/decisions.ts';
import { UserError } from '../machine/errors.ts';
import { parseEventName } from '../machine/event.ts';
import { parseStateName, stateName } from '../machine/name.ts';
import { parseCommitRecord, type CommitRecord } from '../machine/record.ts';
import type { Database, StoredStep } from './database.ts';
import { storedState } from './steps.ts';

/** Instances that are read at a time. */
const PAGE = 500;

export async function resetIn(
  database: Database,
  what: ResetFilter,
  signal: AbortSignal | undefined,
): Promise<ResetResult> {
  const statuses = 'states' in what ? [] : what.statuses;
  const named = 'states' in what ? what.states : [];
  for (const name of named) await checkReset(database, name);
  const isUndone = named.length > 0 || statuses.includes('done');
  if (isUndone) {
    const alive = (await database.sessions()).filter((one) => one.isAlive);
    refuseAlive(alive.map(({ session }) => session));
  }
  signal?.throwIfAborted();
  const failed = statuses.includes('failed') ? await retryAll(database) : [];
  const states = statuses.includes('done') ? await firstDone(database) : named;
  const plan = new UndoPlan(database);
  for (const name of states) await plan.add(name);
  if (plan.undone.size > 0) refuseAlive(await database.undo(plan.undo()));
  return { done: [...plan.undone], archived: [], failed, inProgress: [] };
}

function refuseAlive(sessions: readonly string[]): void {
  if (sessions.length === 0) return;
  const names = sessions.join(', ');
  throw new UserError('workers-alive', `workers are running (${names}); stop them first`);
}

const recordOf = ({ instance, step, record }: StoredStep): CommitRecord | undefined =>
  parseCommitRecord(record ?? '', stateName(instance, step));

async function checkReset(database: Database, name: string): Promise<void> {
  const parsed = parseStateName(name);
  if (parsed === undefined) {
    throw new UserError('bad-name', `"${name}" is not a valid name of a state file`);
  }
  const steps = await database.steps(parsed.instance);
  const own = steps.find(({ step }) => step === parsed.step);
  const forking = parseStateName(forkingState(name) ?? '');
  const origin = forking === undefined ? [] : await database.steps(forking.instance);
  const hasForked = origin.some(({ step, status }) => step === forking?.step && status === 'done');
  const isDone = own?.status === 'done';
  const record = own && recordOf(own);
  const problem = resetProblem(name, { isDone, record, hasForked });
  if (problem === undefined) return;
  throw new UserError('not-reset', `cannot reset ${name}: ${problem}`, { name });
}

async function retryAll(database: Database): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of instancesIn(database, { status: 'failed' })) names.push(name);
  const results = await database.retry(names.map((name) => parseStateName(name)!));
  return names.filter((_, index) => results[index]);
}

/** The first states of all instances that have done a step. */
async function firstDone(database: Database): Promise<string[]> {
  const names: string[] = [];
  for await (const { instance } of instancesIn(database, {})) {
    const [first] = await database.steps(instance);
    if (first?.status === 'done') names.push(stateName(instance, first.step));
  }
  return names;
}

async function* instancesIn(
  database: Database,
  filter: Parameters<Database['list']>[0],
): AsyncGenerator<{ readonly instance: string; readonly name: string }> {
  for (let after: string | undefined = ''; after !== undefined;) {
    const page: Awaited<ReturnType<Database['list']>> = await database.list(filter, {
      after,
      limit: PAGE,
    });
    yield* page.instances;
    after = page.next;
  }
}

/** What follows from steps: later states, branches with all of theirs, events. */
class UndoPlan {
  readonly undone = new Set<string>();
  readonly #database: Database;
  /** By instance: its first step that is undone. */
  readonly #steps = new Map<string, StoredStep>();
  readonly #removed = new Set<string>();
  readonly #forgotten: string[] = [];
  readonly #withdrawn: string[] = [];

  constructor(database: Database) {
    this.#database = database;
  }

  async add(name: string): Promise<void> {
    const { instance, step: from } = parseStateName(name)!;
    const steps = await this.#database.steps(instance);
    const begin = steps.find(({ step }) => step === from);
    const before = this.#steps.get(instance);
    if (begin !== undefined && (before === undefined || before.step > from)) {
      this.#steps.set(instance, begin);
    }
    for (const one of steps) {
      if (one.step < from || one.status !== 'done') continue;
      const done = stateName(instance, one.step);
      if (this.undone.has(done)) continue;
      this.undone.add(done);
      const { events = [], emit = [], branches = [] } = recordOf(one) ?? {};
      this.#forgotten.push(...events.map(({ id }) => id));
      this.#withdrawn.push(...emit.map((event) => parseEventName(event.name)!.key));
      for (const branch of branches) {
        this.#removed.add(parseStateName(branch.name)!.instance);
        await this.add(branch.name);
      }
    }
  }

  undo(): Parameters<Database['undo']>[0] {
    const kept = [...this.#steps.values()].filter(({ instance }) => !this.#removed.has(instance));
    return {
      steps: kept.map(({ instance, step, body }) => storedState(stateName(instance, step), body)),
      removed: [...this.#removed],
      forgotten: this.#forgotten,
      withdrawn: this.#withdrawn,
    };
  }
}
