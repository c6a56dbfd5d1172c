/** The volume as people ask about it: read without joining, changing nothing. */
import { parseStateName } from '../machine/name.ts';
import { parseFailureRecord, type FailureRecord } from '../machine/record.ts';
import { parseStateFile } from '../machine/state-file.ts';
import { readTried } from './attempts.ts';
import type { Held, JournalEntry } from './contract.ts';
import { listOrNone, readText } from './exclusive.ts';
import type { Files } from './files.ts';
import type { Layout } from './layout.ts';
import { availableStates, readRoster } from './snapshot.ts';
import { parseToken, type Token } from './token.ts';

export interface Claimed {
  readonly state: string;
  /** Undefined for a foreign flag. */
  readonly token: Token | undefined;
  /** What its worker says about it. */
  readonly held: Held | undefined;
}

export interface Overview {
  readonly paused: boolean;
  /** State files' names by what their flags say. */
  readonly available: readonly string[];
  /** Of these, the ones whose next attempt is still to come, with its time (ISO 8601). */
  readonly delayed: ReadonlyMap<string, string>;
  readonly inProgress: readonly Claimed[];
  readonly done: readonly string[];
  readonly failed: readonly FailureRecord[];
  /** Workers that registered as available. */
  readonly registered: readonly string[];
  /** Sessions there are. */
  readonly sessions: readonly Token[];
  readonly journal: readonly JournalEntry[];
}

export async function readOverview(files: Files, layout: Layout): Promise<Overview> {
  const flag = (name: 'in_progress' | 'done' | 'failed' | 'waiting'): Promise<string[]> =>
    listOrNone(files, layout.flags(name));
  const inProgress = await flag('in_progress');
  const root = await files.list(layout.root);
  const [done, failed, waiting] = [await flag('done'), await flag('failed'), await flag('waiting')];
  const doneSet = new Set(done);
  const available = availableStates(root, inProgress, done, failed, waiting);
  return {
    paused: (await files.stat(layout.paused)) !== undefined,
    available: available.map((state) => state.name),
    delayed: await readDelays(files, layout),
    inProgress: await readClaims(files, layout, inProgress.filter(isState)),
    done: done.filter(isState),
    // done beats failed where both exist.
    failed: await readFailures(
      files,
      layout,
      failed.filter((name) => isState(name) && !doneSet.has(name)),
    ),
    registered: (await readRoster(files, layout)).map((entry) => entry.name).sort(),
    sessions: await readSessions(files, layout),
    journal: await readJournal(files, layout),
  };
}

const isState = (name: string): boolean => parseStateName(name) !== undefined;

async function readDelays(files: Files, layout: Layout): Promise<Map<string, string>> {
  const delays = new Map<string, string>();
  for (const name of await listOrNone(files, layout.internal('attempts'))) {
    const { notBefore } = await readTried(files, layout, name);
    if (notBefore !== undefined) delays.set(name, notBefore);
  }
  return delays;
}

async function readClaims(files: Files, layout: Layout, names: string[]): Promise<Claimed[]> {
  const held = new Map<string, Map<string, Held>>();
  const claims: Claimed[] = [];
  for (const state of names) {
    const text = await readText(files, layout.flag('in_progress', state));
    if (text === undefined) continue;
    const token = parseToken(text);
    const session = token?.session;
    if (session !== undefined && !held.has(session)) {
      held.set(session, await readHeld(files, layout, session));
    }
    claims.push({ state, token, held: held.get(session ?? '')?.get(state) });
  }
  return claims;
}

async function readHeld(files: Files, layout: Layout, session: string): Promise<Map<string, Held>> {
  const text = await readText(files, layout.internal('journal', `${session}.held`));
  const held = (parseOr(text) ?? []) as Held[];
  return new Map(held.map((one) => [one.state, one]));
}

function parseOr(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? '');
  } catch {
    return undefined;
  }
}

async function readFailures(
  files: Files,
  layout: Layout,
  names: string[],
): Promise<FailureRecord[]> {
  const failures: FailureRecord[] = [];
  for (const state of names) {
    const text = await readText(files, layout.flag('failed', state));
    const unknown = { flockwork: 1 as const, session: '', worker: '', at: '', code: 'unknown' };
    failures.push(
      parseFailureRecord(text ?? '') ?? { ...unknown, state, reason: 'the flag gives no reason' },
    );
  }
  return failures.sort((a, b) => (a.state < b.state ? -1 : 1));
}

export async function readSessions(files: Files, layout: Layout): Promise<Token[]> {
  const directory = layout.internal('sessions');
  const tokens = new Map<string, Token>();
  for (const name of await listOrNone(files, directory)) {
    const token = parseToken(await readText(files, `${directory}/${name}`));
    if (token !== undefined) tokens.set(token.session, token);
  }
  return [...tokens.values()];
}

/** All workers' journals, in the order of time. */
export async function readJournal(files: Files, layout: Layout): Promise<JournalEntry[]> {
  const entries: JournalEntry[] = [];
  for (const name of await listOrNone(files, layout.internal('journal'))) {
    if (!name.endsWith('.jsonl')) continue;
    const text = (await readText(files, layout.internal('journal', name))) ?? '';
    for (const line of text.split('\n')) {
      // A line that a crash cut short says nothing.
      const entry = line === '' ? undefined : (parseOr(line) as JournalEntry | undefined);
      if (entry !== undefined) entries.push(entry);
    }
  }
  const key = (entry: JournalEntry): string => `${entry.started} ${entry.state}`;
  return entries.sort((a, b) => (key(a) < key(b) ? -1 : 1));
}

/** The machine that a state file names; undefined for one that does not parse. */
export async function machineOf(
  files: Files,
  layout: Layout,
  name: string,
): Promise<string | undefined> {
  const path = layout.state(name);
  if ((await files.stat(path))?.kind !== 'file') return undefined;
  const parsed = parseStateFile(await files.read(path));
  return parsed.ok ? (parsed.file.machine ?? parsed.file.state) : undefined;
}
