/** `flockwork show INSTANCE`: prints an instance's whole chain. */
import { formatDuration } from '../../machine/duration.ts';
import { UserError } from '../../machine/errors.ts';
import { instanceProblem, parseStateName } from '../../machine/name.ts';
import type { AppliedEvent, Attempt } from '../../machine/record.ts';
import type { InstanceStep } from '../../engine/engine.ts';
import { placeOf } from '../../volume/overview.ts';
import { listPending } from '../../volume/inbox.ts';
import {
  comingEvents,
  describeBlocked,
  openBranches,
  type ComingEvent,
  type OpenBranch,
} from '../waits.ts';
import { COMMON, EXIT, type Command } from '../command.ts';
import { oneLine } from '../terminal.ts';
import { userPlace } from '../stack.ts';
import { clockTime, paint, table } from '../tables.ts';
import { openAll, withDirectory, type OpenedVolume } from '../volumes.ts';

/** `blockedBy`: the open branches of a join that waits. */
type ShownStep = Omit<InstanceStep, 'join'> & { readonly blockedBy: readonly OpenBranch[] };

export const show: Command = {
  name: 'show',
  describe:
    "Print an instance's whole chain: states, workers, times, attempts, events, output, and pending events",
  positional: { name: 'instance', describe: 'Its name: the part before .state', required: true },
  options: [...COMMON, 'json'],
  examples: [
    ['$0 show countdown', 'every step of countdown.state'],
    ['$0 show countdown --json', 'for programs'],
  ],
  run: async (settings, [word = ''], io) => {
    const volumes = await openAll(settings);
    const instance = parseStateName(word)?.instance ?? word;
    const problem = instanceProblem(instance);
    if (problem !== undefined) {
      throw new UserError('bad-name', `"${word}" is not a valid instance: ${problem}`, {
        name: word,
      });
    }
    let isFound = false;
    for (const opened of volumes) {
      const chain = await stepsOf(opened, instance);
      const events = await eventsFor(opened, instance, chain.at(-1)?.name);
      if (chain.length === 0 && events.length === 0) continue;
      isFound = true;
      const text = settings.json
        ? JSON.stringify({ instance, chain, events })
        : [...describeChain(chain), ...events.map(describeComing)].join('\n');
      const { root } = opened.layout;
      if (volumes.length === 1) io.print(text);
      else io.print(settings.json ? withDirectory(root, text) : `${root}:\n${text}`);
    }
    if (isFound) return EXIT.done;
    const where = volumes.map(({ layout }) => layout.root).join(', ');
    throw new UserError(
      'no-instance',
      `there is no instance ${instance} in ${where}; flockwork list prints all instances`,
    );
  },
};

async function stepsOf(opened: OpenedVolume, instance: string): Promise<ShownStep[]> {
  const { files, layout, client } = opened;
  const steps: ShownStep[] = [];
  for (const { join, ...step } of await client.history(instance)) {
    const isOver = step.flag === 'done' || step.flag === 'archived';
    const blockedBy = isOver ? [] : await openBranches(files, layout, join);
    steps.push({ ...step, blockedBy });
  }
  return steps;
}

/** Pending events of an instance, without timers of earlier states, which do not apply any more. */
async function eventsFor(
  { files, layout }: OpenedVolume,
  instance: string,
  last: string | undefined,
): Promise<ComingEvent[]> {
  const place = last === undefined ? undefined : await placeOf(files, layout, last);
  const names = (await listPending(files, layout)).get(instance) ?? [];
  return comingEvents(files, layout, names, place?.file.since);
}

type SentEvent = Partial<
  Pick<AppliedEvent, 'originator' | 'timestamp' | 'details' | 'detailsBytes'>
>;

/** The originator, time and details of an event. */
function describeSent({ originator, timestamp, details, detailsBytes }: SentEvent): string {
  return [
    originator === undefined ? '' : ` from ${originator}`,
    timestamp === undefined ? '' : ` at ${clockTime(timestamp)}`,
    details === undefined ? '' : ` ${JSON.stringify(details)}`,
    detailsBytes === undefined ? '' : ` (details of ${detailsBytes} bytes, not kept)`,
  ].join('');
}

function describeComing({ event, id, in: left, isTimer, ...sent }: ComingEvent): string {
  const what = event ?? `an event that cannot be read (${id})`;
  const when = left > 0 ? `in ${formatDuration(left)}` : 'is pending';
  return isTimer ? `timer: ${what} ${when}` : `event ${what} ${when}${describeSent(sent)}`;
}

function describeApplied(applied: AppliedEvent): string {
  const { id, event, outcome, from, to, reason } = applied;
  const move = to === undefined ? (reason ?? '') : `${from} → ${to}`;
  return `event ${event ?? id}${describeSent(applied)}: ${outcome}: ${move}`;
}

function describeChain(chain: readonly ShownStep[]): string[] {
  if (chain.length === 0) return ['the instance does not exist yet'];
  const rows = chain.map((step) => [
    step.name,
    step.flag,
    step.worker ?? '',
    step.started === undefined ? '' : clockTime(step.started),
    step.duration === undefined ? '' : formatDuration(step.duration),
    [step.state ?? '', ...(step.hook === undefined ? [] : [`(hook ${step.hook})`])].join(' '),
    JSON.stringify(step.payload) ?? '',
  ]);
  const parts = [table(['step', 'is', 'worker', 'started', 'took', 'state', 'payload'], rows)];
  for (const step of chain) {
    const name = oneLine(step.name);
    for (const event of step.events) parts.push(`${name} ${describeApplied(event)}`);
    for (const line of describeBlocked(step.blockedBy)) parts.push(`${name} ${line}`);
    if (step.output !== undefined) parts.push(`${name} output: ${JSON.stringify(step.output)}`);
    if (step.reason !== undefined) parts.push(paint('red', `${name} failed: ${step.reason}`));
    for (const attempt of step.attempts) parts.push(`${name} ${describeAttempt(attempt)}`);
  }
  return parts;
}

function describeAttempt({ attempt, worker, started, result, error }: Attempt): string {
  const place = userPlace(error?.stack, process.cwd());
  const where = place === undefined ? '' : ` (${place})`;
  return `attempt ${attempt}: ${result} on ${worker}, ${clockTime(started)}: ${error?.message ?? ''}${where}`;
}
