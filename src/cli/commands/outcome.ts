/** `flockwork outcome ID`: prints the outcome of an event. */
import {
  eventIdProblem,
  eventKey,
  parseEventName,
  type EventOutcome,
} from '../../machine/event.ts';
import { UserError } from '../../machine/errors.ts';
import { eventStatus } from '../../volume/outcomes.ts';
import { listPending, readPending } from '../../volume/inbox.ts';
import { COMMON, EXIT, type Command } from '../command.ts';
import { openAll, requireVolume } from '../volumes.ts';
import type { AppliedEvent, RejectionRecord } from '../../machine/record.ts';

export const outcome: Command = {
  name: 'outcome',
  describe: 'Print the outcome of an event',
  positional: { name: 'id', describe: 'The id that send printed', required: true },
  options: [...COMMON, 'json'],
  exits: '0 Ok, 1 any other outcome, 2 wrong usage, 3 pending, 130 stopped by Ctrl-C.',
  examples: [['$0 outcome payment-991', 'of the event that was sent with this --id']],
  run: async (settings, [word = ''], io) => {
    const keys = keysOf(word);
    const volumes = await openAll(settings);
    for (const opened of volumes) {
      await requireVolume(opened);
      for (const key of keys) {
        const over = await eventStatus(opened.files, opened.layout, key);
        if (over.kind !== 'over') continue;
        io.print(settings.json ? JSON.stringify(over.outcome) : describeOutcome(over.outcome));
        return statusOfOutcome(over.outcome);
      }
    }
    for (const { files, layout } of volumes) {
      const pending = [...(await listPending(files, layout)).values()].flat();
      const event = pending.find(({ key }) => keys.includes(key));
      if (event === undefined) continue;
      const { to, time, isDelayed } = event;
      // The word may be the name of the event's file.
      const id = (await readPending(files, layout, event))?.id ?? word;
      const when = isDelayed ? `due at ${time}` : `sent at ${time}`;
      const text = `${id} is pending for ${to}, ${when}`;
      io.print(settings.json ? JSON.stringify({ id, to, time, isDelayed, outcome: null }) : text);
      return EXIT.incomplete;
    }
    const where = volumes.map(({ layout }) => layout.root).join(', ');
    throw new UserError(
      'no-event',
      `there is no event ${word} in ${where}; outcomes are kept for seven days, or for --keep-outcomes of the workers`,
      { id: word },
    );
  },
};

/** The keys that a word can mean: of an id, or of the name of an event's file. */
function keysOf(word: string): readonly string[] {
  const problem = eventIdProblem(word);
  const named = parseEventName(word)?.key;
  if (problem !== undefined && named === undefined) throw new UserError('usage', problem);
  return [
    ...(problem === undefined ? [eventKey(word)] : []),
    ...(named === undefined ? [] : [named]),
  ];
}

/** Formats the outcome of an event for `send --wait` and `outcome`. */
export function describeOutcome(result: AppliedEvent | RejectionRecord): string {
  const { outcome: code, reason } = result;
  const move = 'from' in result && result.to !== undefined ? `: ${result.from} → ${result.to}` : '';
  return `${code}${move}${reason === undefined ? '' : `: ${reason}`}`;
}

export function statusOfOutcome({ outcome: code }: AppliedEvent | RejectionRecord): number {
  return code === ('Ok' satisfies EventOutcome) ? EXIT.done : EXIT.failed;
}
