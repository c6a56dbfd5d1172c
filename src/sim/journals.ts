/** Checks the journals: at most one session reports the commit of a state. */
import { parseJournalLine, parseJournalName } from '../volume/journal.ts';
import type { TrueVolume } from './true-volume.ts';

/** A state that two sessions report as committed; undefined if there is none. */
export function twiceCommitted(volume: TrueVolume): string | undefined {
  const by = new Map<string, string>();
  for (const file of volume.list('.flockwork/journal')) {
    const owner = parseJournalName(file);
    if (owner === undefined) continue;
    for (const line of (volume.text(`.flockwork/journal/${file}`) ?? '').split('\n')) {
      const entry = parseJournalLine(line, owner);
      if (entry?.result !== 'done') continue;
      const other = by.get(entry.state) ?? entry.session;
      by.set(entry.state, entry.session);
      if (other !== entry.session) {
        return `expected one session to commit ${entry.state}, got ${other} and ${entry.session}`;
      }
    }
  }
  return undefined;
}
