/** Checks that sessions leave no traces behind. */
import { isStateName } from '../machine/name.ts';
import { recordedStates } from '../machine/record.ts';
import { parseJournalName } from '../volume/journal.ts';
import { TRANSIENT_DIRECTORIES } from '../volume/layout.ts';
import { sessionOfTokenFile } from '../volume/session-context.ts';
import type { TrueVolume } from './true-volume.ts';

const JOURNAL = '.flockwork/journal';

/** Flags and traces of sessions of other workers than `worker`; undefined if there are none. */
export function leftOver(volume: TrueVolume, worker?: string): string | undefined {
  const kept = sessionsOfFailed(volume);
  const isLeft = (name: string): boolean =>
    !kept.has(sessionOfTokenFile(name)) && name !== worker && !name.startsWith(`${worker}.`);
  for (const place of TRANSIENT_DIRECTORIES) {
    const left = volume.list(place).filter(isLeft);
    if (left.length > 0) return `expected ${place}/ to be empty, got ${left.join(', ')}`;
  }
  const isJournal = (name: string): boolean => parseJournalName(name) !== undefined;
  const others = volume.list(JOURNAL).filter((name) => !isJournal(name) && isLeft(name));
  return others.length === 0
    ? undefined
    : `expected journals only in ${JOURNAL}/, got ${others.join(', ')}`;
}

/** Sessions with a staged record of a failed state, which may still be brought back and committed. */
function sessionsOfFailed(volume: TrueVolume): Set<string> {
  const isOver = (name: string): boolean =>
    volume.exists(`failed/${name}`) && volume.doneText(name) === undefined;
  const isDone = (name: string): boolean => volume.doneText(name) !== undefined;
  const all = [...staged(volume)];
  const open = all.filter(
    ({ states }) => !states.some(isOver) || !states.every((name) => isOver(name) || isDone(name)),
  );
  const sessions = new Set(all.map(({ session }) => session));
  for (const { session } of open) sessions.delete(session);
  return sessions;
}

/** Staged files of all sessions. */
export function* staged(
  volume: TrueVolume,
): Generator<{ session: string; text: string; states: readonly string[] }> {
  const staging = '.flockwork/staging';
  for (const session of volume.list(staging)) {
    for (const file of volume.list(`${staging}/${session}`)) {
      if (file.startsWith('.')) continue;
      const text = volume.text(`${staging}/${session}/${file}`) ?? '';
      yield { session, text, states: isStateName(file) ? [file] : recordedStates(text) };
    }
  }
}
