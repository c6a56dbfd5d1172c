/** `flockwork show INSTANCE`: an instance's whole chain. */
import { formatDuration } from '../../machine/duration.ts';
import { UserError } from '../../machine/errors.ts';
import { instanceProblem, parseStateName } from '../../machine/name.ts';
import type { AppliedEvent } from '../../machine/record.ts';
import type { ChainStep } from '../../store/contract.ts';
import { volumeFront } from '../../volume/store.ts';
import { describeBlocked, openBranches, type OpenBranch } from '../blocked.ts';
import { COMMON, EXIT, type Command } from '../command.ts';
import { clockTime, paint, table } from '../tables.ts';
import { openAll, withDirectory, type OpenedVolume } from '../volume.ts';

/** And what keeps it, if it is a join that waits. */
type ShownStep = Omit<ChainStep, 'join'> & { readonly blockedBy: readonly OpenBranch[] };

export const show: Command = {
  name: 'show',
  describe: "An instance's whole chain: states, workers, times, attempts, output",
  positional: { name: 'instance', describe: 'The name before .state', required: true },
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
      throw new UserError('bad-name', `"${word}" is no instance: ${problem}`, { name: word });
    }
    let isFound = false;
    for (const opened of volumes) {
      const chain = await stepsOf(opened, instance);
      if (chain.length === 0) continue;
      isFound = true;
      const text = settings.json ? JSON.stringify({ instance, chain }) : describeChain(chain);
      const { root } = opened.layout;
      if (volumes.length === 1) io.print(text);
      else io.print(settings.json ? withDirectory(root, text) : `${root}:\n${text}`);
    }
    if (isFound) return EXIT.done;
    const where = volumes.map(({ layout }) => layout.root).join(', ');
    throw new UserError(
      'no-instance',
      `there is no instance ${instance} in ${where}; flockwork status tells what there is`,
    );
  },
};

async function stepsOf(opened: OpenedVolume, instance: string): Promise<ShownStep[]> {
  const { files, layout } = opened;
  const steps: ShownStep[] = [];
  for (const { join, ...step } of await volumeFront(opened).history.steps(instance)) {
    const isOver = step.flag === 'done' || step.flag === 'archived';
    const blockedBy = isOver ? [] : await openBranches(files, layout, join);
    steps.push({ ...step, blockedBy });
  }
  return steps;
}

function describeEvent({ id, event, originator, outcome, from, to, reason }: AppliedEvent): string {
  const what = `event ${event ?? id}${originator === undefined ? '' : ` from ${originator}`}`;
  const move = to === undefined ? (reason ?? '') : `${from} → ${to}`;
  return `${what}: ${outcome}: ${move}`;
}

function describeChain(chain: readonly ShownStep[]): string {
  const rows = chain.map((step) => [
    step.name,
    step.flag,
    step.worker ?? '',
    step.started === undefined ? '' : clockTime(step.started),
    step.duration === undefined ? '' : formatDuration(step.duration),
    step.state ?? '',
    JSON.stringify(step.payload) ?? '',
  ]);
  const parts = [table(['step', 'is', 'worker', 'started', 'took', 'state', 'payload'], rows)];
  for (const step of chain) {
    for (const event of step.events) parts.push(`${step.name} ${describeEvent(event)}`);
    for (const line of describeBlocked(step.blockedBy)) parts.push(`${step.name} ${line}`);
    if (step.output !== undefined)
      parts.push(`${step.name} output: ${JSON.stringify(step.output)}`);
    if (step.reason !== undefined) parts.push(paint('red', `${step.name} failed: ${step.reason}`));
    for (const attempt of step.attempts) {
      const { attempt: number, worker, started, result, error } = attempt;
      parts.push(
        `${step.name} attempt ${number}: ${result} on ${worker}, ${clockTime(started)}: ${error?.message ?? ''}`,
      );
    }
  }
  return parts.join('\n');
}
