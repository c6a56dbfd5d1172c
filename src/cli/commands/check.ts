/** `flockwork check`: explores every state that machines can reach, alone or together. */
import { setImmediate as yieldToSignals } from 'node:timers/promises';
import { check } from '../../check/check.ts';
import type { Composition } from '../../check/composition.ts';
import type { CheckResult, Finding, Progress } from '../../check/findings.ts';
import { sequenceOf, storyOf } from '../../check/trace.ts';
import { EXIT, FOUND, type Command, type Io } from '../command.ts';
import { loadComposition } from '../machines.ts';
import type { Settings } from '../options.ts';

/** Between lines of progress without a terminal. */
const PROGRESS_INTERVAL_MS = 10_000;
const BYTES_PER_MEGABYTE = 1e6;

export const checking: Command = {
  name: 'check',
  describe: 'Explore every state that machines can reach together, and prove their claims',
  positional: {
    name: 'files',
    describe: 'Modules that export a composition or a machine; configurations',
    many: true,
    required: true,
  },
  options: ['max-states', 'mermaid', 'json', 'config'],
  excludes: { mermaid: ['json'] },
  exits:
    '0 proved, 2 wrong usage, 3 not proved (--max-states, or more events than are distinguished), ' +
    '10 a violation was found, 11 livelocks only (a goal that cannot be reached), 130 stopped by Ctrl-C.',
  examples: [
    ['$0 check machines/together.ts', 'proved, or the shortest trace to a violation'],
    ['$0 check machines/door.ts', 'one machine: is every state reached, can it always end?'],
    ['$0 check machines/together.ts --mermaid', 'the trace as a sequence diagram'],
  ],
  run: async (settings, paths, io) => {
    const statuses: number[] = [];
    for (const path of paths) {
      const ran = await run(await loadComposition(path), settings, io);
      if (ran === undefined) return EXIT.incomplete;
      if (settings.json) io.print(JSON.stringify({ file: path, ...ran.result, ...ran.figures }));
      else io.print(describe(ran, settings));
      statuses.push(statusOf(ran.result));
    }
    // An error outranks an incomplete proof.
    return (
      [FOUND.safety, FOUND.liveness, EXIT.incomplete].find((one) => statuses.includes(one)) ??
      EXIT.done
    );
  },
};

interface Figures {
  readonly seconds: number;
  readonly statesPerSecond: number;
  /** Bytes, of this process since it started. */
  readonly peakMemory: number;
}

interface Ran {
  readonly result: CheckResult;
  readonly figures: Figures;
}

/** Undefined if it was stopped. */
async function run(composition: Composition, settings: Settings, io: Io): Promise<Ran | undefined> {
  const began = performance.now();
  let said = began;
  const most = settings['max-states'];
  const running = check(composition, most === undefined ? {} : { maxStates: most });
  for (;;) {
    const { done, value } = running.next();
    const now = performance.now();
    const seconds = (now - began) / 1000;
    if (done) {
      io.draw?.('');
      const peakMemory = process.resourceUsage().maxRSS * 1024;
      const statesPerSecond = Math.round(value.states / seconds);
      return { result: value, figures: { seconds, statesPerSecond, peakMemory } };
    }
    const text = describeProgress(composition.name, value, seconds);
    io.draw?.(text);
    if (io.draw === undefined && !settings.json && now - said > PROGRESS_INTERVAL_MS) {
      io.say(text);
      said = now;
    }
    await yieldToSignals();
    if (io.stop.aborted) {
      io.draw?.('');
      io.say(`stopped: ${text}`);
      return undefined;
    }
  }
}

function describeProgress(
  name: string,
  { stage, states, left }: Progress,
  seconds: number,
): string {
  const rate = Math.round(states / seconds).toLocaleString('en');
  const found = `${name}: ${states.toLocaleString('en')} states`;
  return stage === 'exploring'
    ? `${found}, ${left.toLocaleString('en')} to look at, ${rate}/s`
    : `${found}; goals: ${left.toLocaleString('en')} states left`;
}

const isLivelock = ({ kind }: Finding): boolean => kind === 'livelock';

function statusOf({ findings, bound }: CheckResult): number {
  if (findings.some((finding) => !isLivelock(finding))) return FOUND.safety;
  if (findings.length > 0) return FOUND.liveness;
  return bound === undefined ? EXIT.done : EXIT.incomplete;
}

const BOUND: Readonly<Record<NonNullable<CheckResult['bound']>, string>> = {
  'max-states': 'not proved: there are more states than --max-states; goals were not checked',
  queue:
    'not proved: more changes of event wait for an instance than `waiting.changes` distinguishes; ' +
    'those beyond were left out, and goals were not checked',
};

function describe({ result, figures }: Ran, settings: Settings): string {
  const { composition, findings, bound, states, transitions, together, depth } = result;
  if (settings.mermaid && findings.length > 0) return findings.map(sequenceOf).join('\n\n');
  const count = (number: number): string => number.toLocaleString('en');
  const found = findings.length === 0 ? 'nothing wrong' : `${findings.length} found`;
  return [
    ...findings.map((finding) => `${storyOf(finding)}\n`),
    `${composition}: ${bound === undefined && findings.length === 0 ? 'proved' : found}`,
    ...(bound === undefined ? [] : [`  ${BOUND[bound]}`]),
    `  ${count(states)} states, ${count(transitions)} transitions, ${count(together)} of them of several at once; ` +
      `the furthest is ${depth} away`,
    `  ${figures.seconds.toFixed(1)} s, ${count(figures.statesPerSecond)} states/s, ` +
      `${Math.round(figures.peakMemory / BYTES_PER_MEGABYTE)} MB at most`,
    ...(result.isSaturated
      ? ['  more equal events waited than are distinguished: beyond that, any number was assumed']
      : []),
  ].join('\n');
}
