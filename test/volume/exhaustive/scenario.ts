/** The volume of the search, and what each session writes to it: one state, which has one successor. */
import { formatRecord, type CommitRecord } from '../../../src/machine/record.ts';
import type { VolumeSettlement } from '../../../src/volume/operations.ts';
import type { Files } from '../../../src/volume/files.ts';
import { Layout } from '../../../src/volume/layout.ts';
import { SessionContext } from '../../../src/volume/session-context.ts';
import { formatToken, type Token } from '../../../src/volume/token.ts';
import { newSettlement } from '../../../src/volume/claimed-task.ts';
import type { Entries } from './memory.ts';

export const LAYOUT: Layout = new Layout('/v');
export const STATE = 'x.state';
export const SUCCESSOR = 'x.state-1';
export const LEASE = 1000;

const NOW = '2026-01-01T00:00:00.000Z';

export const PATHS: Readonly<
  Record<'state' | 'successor' | 'claim' | 'nextClaim' | 'done' | 'failed', string>
> = {
  state: LAYOUT.state(STATE),
  successor: LAYOUT.state(SUCCESSOR),
  claim: LAYOUT.flag('in_progress', STATE),
  nextClaim: LAYOUT.flag('in_progress', SUCCESSOR),
  done: LAYOUT.flag('done', STATE),
  failed: LAYOUT.flag('failed', STATE),
};

/** The volume before the first session. */
export const EMPTY: Entries = new Map<string, string | undefined>([
  [LAYOUT.root, undefined],
  [LAYOUT.flags('in_progress'), undefined],
  [LAYOUT.flags('done'), undefined],
  [LAYOUT.flags('failed'), undefined],
  [LAYOUT.internal('staging'), undefined],
  [PATHS.state, '{"state":"simple","payload":{}}\n'],
]);

const workerOf = (session: string): string => session.slice(0, session.indexOf('.'));

function tokenOf(session: string): Token {
  return {
    flockwork: 1,
    session,
    worker: workerOf(session),
    host: 'host',
    pid: 1,
    started: NOW,
    concurrency: 1,
    capacity: 1,
    machines: ['simple'],
  };
}

/** One time that a session ticks the state: its first, its second, … */
export interface Tick {
  readonly session: string;
  readonly number: number;
}

/** Each tick's record leads to a content of its own, so that the successor tells whose it is. */
function recordOf(tick: Tick): CommitRecord {
  const { session } = tick;
  return {
    flockwork: 1,
    state: STATE,
    session,
    worker: workerOf(session),
    started: NOW,
    finished: NOW,
    next: { name: SUCCESSOR, content: successorText(tick) },
  };
}

export const tokenText = (session: string): string => formatToken(tokenOf(session));
export const recordText = (tick: Tick): string => formatRecord(recordOf(tick));
export const successorText = ({ session, number }: Tick): string =>
  `{"state":"simple","payload":"by ${session}, ${number}"}\n`;

export function memberOf(files: Files, session: string): SessionContext {
  return new SessionContext(files, LAYOUT, tokenOf(session), () => NOW);
}

/** The step that commits a tick's record. */
export function stepOf(tick: Tick): VolumeSettlement {
  return newSettlement(STATE, { kind: 'commit', record: recordOf(tick) });
}
