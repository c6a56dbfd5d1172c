/** `flockwork send INSTANCE EVENT`: sends an event; with `--wait`, waits for its outcome. */
import { randomUUID } from 'node:crypto';
import { durationProblem, formatDuration } from '../../machine/duration.ts';
import { UserError } from '../../machine/errors.ts';
import { instanceProblem, parseStateName } from '../../machine/name.ts';
import type { AppliedEvent, RejectionRecord } from '../../machine/record.ts';
import type { ClientApi } from '../../engine/engine.ts';
import { COMMON, EXIT, ONE_VOLUME, type Command, type Io } from '../command.ts';
import type { Settings } from '../options.ts';
import { parseJsonOption, quoted } from '../settings.ts';
import { describeOutcome, statusOfOutcome } from './outcome.ts';
import { realClock } from '../../api/node-ports.ts';
import { directoryOf, openExisting } from '../volumes.ts';

const LOOK_INTERVAL_MS = 50;

export const send: Command = {
  name: 'send',
  describe: 'Send an event to an instance',
  positional: [
    { name: 'instance', describe: 'Its name: the part before .state', required: true },
    { name: 'event', describe: 'The name of the event', required: true },
  ],
  options: [...COMMON, 'details', 'id', 'in', 'grace', 'originator', 'wait', 'timeout', 'json'],
  optionTexts: ONE_VOLUME,
  needs: { timeout: ['wait'] },
  exits:
    '0 sent, or with --wait applied (Ok), 1 any other outcome, 2 wrong usage or unusable volume, 3 pending, ' +
    '130 stopped by Ctrl-C.',
  examples: [
    ['$0 send door "open requested"', 'an event for the instance door'],
    [
      `$0 send order-7 pay --details '{"amount": 12}' --id payment-991 --wait`,
      'applied once, however often it is sent',
    ],
  ],
  run: async (settings, words, io) => {
    const [instance, event] = wordsOf(words);
    const id = settings.id ?? randomUUID();
    const badDelay = durationProblem(settings.in, 0);
    if (badDelay !== undefined) throw new UserError('bad-event', `cannot use --in: ${badDelay}`);
    const { client } = await openExisting(directoryOf(settings, 'send'));
    const file = {
      event,
      ...(settings.details !== undefined && {
        details: parseJsonOption(settings.details, '--details', 'bad-details'),
      }),
      originator: settings.originator,
      timestamp: new Date().toISOString(),
      ...(settings.in > 0 && { delay: settings.in }),
      ...(settings.grace !== undefined && { grace: settings.grace }),
    };
    const [sent] = await client.send([{ to: instance, id, file }]);
    if (sent!.kind === 'over') return tell(settings, io, sent!.outcome);
    if (!settings.wait) {
      const text = `sent ${id}; ${lookAt(id)} prints the outcome`;
      io.print(settings.json ? JSON.stringify({ id, sent: sent!.name }) : text);
      return EXIT.done;
    }
    const outcome = await waitFor(client, id, settings.timeout, io);
    if (outcome !== undefined) return tell(settings, io, outcome);
    const since =
      settings.timeout === undefined || io.stop.aborted
        ? 'yet'
        : `within ${formatDuration(settings.timeout)}`;
    io.say(
      `${id} was sent and remains pending, but has no outcome ${since}; try ${lookAt(id)} later`,
    );
    return EXIT.incomplete;
  },
};

function wordsOf(words: readonly string[]): [instance: string, event: string] {
  const [instance = '', event = ''] = words;
  if (words.length !== 2 || event === '') {
    throw new UserError('usage', 'expected send INSTANCE EVENT; quote an event that has spaces');
  }
  const name = parseStateName(instance)?.instance ?? instance;
  const problem = instanceProblem(name);
  if (problem !== undefined)
    throw new UserError('usage', `"${instance}" is not a valid instance: ${problem}`);
  return [name, event];
}

function lookAt(id: string): string {
  return `flockwork outcome ${id.startsWith('-') ? '-- ' : ''}${quoted(id)}`;
}

async function waitFor(
  client: ClientApi,
  id: string,
  timeout: number | undefined,
  io: Io,
): Promise<AppliedEvent | RejectionRecord | undefined> {
  const end = realClock.monotonic() + (timeout ?? Infinity);
  while (!io.stop.aborted) {
    const over = await client.eventResult(id);
    if (over !== undefined) return over.outcome;
    const left = end - realClock.monotonic();
    if (left <= 0) return undefined;
    await realClock.sleep(Math.min(LOOK_INTERVAL_MS, left), io.stop);
  }
  return undefined;
}

function tell(settings: Settings, io: Io, outcome: AppliedEvent | RejectionRecord): number {
  io.print(settings.json ? JSON.stringify(outcome) : describeOutcome(outcome));
  return statusOfOutcome(outcome);
}
