/** The volume as people ask about it: read without joining, changing nothing. */
import { subjectOfProblem } from '../machine/dropped.ts';
import { parseFailureRecord, type FailureRecord } from '../machine/record.ts';
import { parseStateFile } from '../machine/state-file.ts';
import { takeCensus, type Census } from './census.ts';
import type { Held } from '../store/session.ts';
import { listOrNone, readFlag, readText } from './exclusive.ts';
import type { Files } from './files.ts';
import { readTails, type HistoryFiles, type Tails } from './history.ts';
import type { Layout } from './layout.ts';
import { numberOfTokenFile } from './member.ts';
import { readRoster } from './snapshot.ts';
import { parseToken, type Token } from '../store/token.ts';

export interface Claimed {
  readonly state: string;
  /** Undefined for a foreign flag. */
  readonly token: Token | undefined;
  /** What its worker says about it. */
  readonly held: Held | undefined;
}

export interface Overview {
  readonly paused: boolean;
  readonly census: Census;
  readonly inProgress: readonly Claimed[];
  /** Why what failed has failed: the first ones by name. */
  readonly failed: readonly FailureRecord[];
  /** What is wrong with files that were dropped into `events/`, a sentence each: the first ones by name. */
  readonly problems: readonly string[];
  /** Workers that registered as available. */
  readonly registered: readonly string[];
  /** Sessions there are. */
  readonly sessions: readonly Token[];
  readonly tails: Tails;
}

/** Nobody reads more reasons than this. */
const REASONS = 1000;

export async function readOverview(files: HistoryFiles, layout: Layout): Promise<Overview> {
  const census = await takeCensus(files, layout);
  return {
    paused: (await files.stat(layout.paused)) !== undefined,
    census,
    inProgress: await readClaims(files, layout, census.names.inProgress),
    failed: await readFailures(files, layout, census.names.failed.slice(0, REASONS)),
    problems: await readProblems(files, layout),
    registered: (await readRoster(files, layout)).map((entry) => entry.name).sort(),
    sessions: await readSessions(files, layout),
    tails: await readTails(files, layout),
  };
}

export async function readClaims(
  files: Files,
  layout: Layout,
  names: readonly string[],
): Promise<Claimed[]> {
  const held = new Map<string, Map<string, Held>>();
  const claims: Claimed[] = [];
  for (const state of names) {
    const text = await readFlag(files, layout.flag('in_progress', state));
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
  names: readonly string[],
): Promise<FailureRecord[]> {
  const failures: FailureRecord[] = [];
  for (const state of names) {
    const text = await readFlag(files, layout.flag('failed', state));
    const unknown = { flockwork: 1 as const, session: '', worker: '', at: '', code: 'unknown' };
    failures.push(
      parseFailureRecord(text ?? '') ?? { ...unknown, state, reason: 'the flag gives no reason' },
    );
  }
  return failures;
}

async function readProblems(files: Files, layout: Layout): Promise<string[]> {
  const names = (await listOrNone(files, layout.events)).filter(
    (name) => subjectOfProblem(name) !== undefined,
  );
  const problems: string[] = [];
  for (const name of names.sort().slice(0, REASONS)) {
    problems.push((await readFlag(files, layout.event(name)))?.trim() ?? '');
  }
  return problems.filter((problem) => problem !== '');
}

/** `prefix`: only of sessions whose names begin so. */
export async function readSessions(
  files: Files,
  layout: Layout,
  prefix: string = '',
): Promise<Token[]> {
  const directory = layout.internal('sessions');
  const tokens = new Map<string, Token>();
  const numbers = new Map<string, number>();
  for (const name of await listOrNone(files, directory)) {
    if (!name.startsWith(prefix)) continue;
    const token = parseToken(await readFlag(files, `${directory}/${name}`));
    const number = numberOfTokenFile(name);
    if (token === undefined || number < (numbers.get(token.session) ?? 0)) continue;
    numbers.set(token.session, number);
    tokens.set(token.session, token);
  }
  return [...tokens.values()];
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
