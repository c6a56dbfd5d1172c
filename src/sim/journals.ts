/** What the journals say of who has committed what. */
import { parseJournalLine, parseJournalName } from '../volume/journal.ts';
import type { TrueVolume } from './true-volume.ts';

/** A state that was committed by two sessions, as far as they know; undefined if there is none. */
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
        return `both ${other} and ${entry.session} believe that they committed ${entry.state}`;
      }
    }
  }
  return undefined;
}
