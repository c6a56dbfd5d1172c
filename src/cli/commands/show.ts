/** `flockwork show INSTANCE`: an instance's whole chain. */
import { formatDuration } from '../../machine/duration.ts';
import { UserError } from '../../machine/errors.ts';
import { parseStateName, stateName } from '../../machine/name.ts';
import { parseCommitRecord, parseFailureRecord, type Attempt } from '../../machine/record.ts';
import { parseStateFile } from '../../machine/state-file.ts';
import { findState, isDone, readDoneFlag } from '../../volume/archive.ts';
import { readTried } from '../../volume/attempts.ts';
import type { JournalEntry } from '../../volume/contract.ts';
import { readText } from '../../volume/exclusive.ts';
import { lastEntriesOf } from '../../volume/history.ts';
import type { Files } from '../../volume/files.ts';
import type { Layout } from '../../volume/layout.ts';
import { parseToken } from '../../volume/token.ts';
import { tornSuccessor } from '../../volume/torn.ts';
import { COMMON, EXIT, type Command } from '../command.ts';
import { clockTime, paint, table } from '../tables.ts';
import { openAll, withDirectory, type OpenedVolume } from '../volume.ts';

interface ChainStep {
  readonly name: string;
  /** `archived`: done, and moved to `archive/`. */
  readonly flag: 'done' | 'archived' | 'failed' | 'in progress' | 'available';
  readonly state: unknown;
  readonly payload: unknown;
  readonly worker: string | undefined;
  readonly started: string | undefined;
  /** Milliseconds. */
  readonly duration: number | undefined;
  readonly attempts: readonly Attempt[];
  readonly output: unknown;
  readonly reason: string | undefined;
}

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
    let isFound = false;
    for (const opened of volumes) {
      const chain = await readChain(opened, instance);
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

async function readChain(opened: OpenedVolume, instance: string): Promise<ChainStep[]> {
  let journal: ReadonlyMap<string, JournalEntry> | undefined;
  // Records say it all; the journals are long, and read only for a step that has none.
  const entryOf = async (name: string): Promise<JournalEntry | undefined> => {
    journal ??= await lastEntriesOf(opened.files, opened.layout, instance);
    return journal.get(name);
  };
  const chain: ChainStep[] = [];
  for (let step = 0; ; step += 1) {
    const name = stateName(instance, step);
    const { files, layout } = opened;
    const stat = await files.stat(await findState(files, layout, name));
    // A state file may be gone for good, where somebody has removed it by hand; its flag says that it was there.
    if (stat === undefined && !(await isDone(files, layout, name))) return chain;
    chain.push(await readStep(opened, name, stat?.kind === 'file', entryOf));
  }
}

async function readStep(
  { files, layout }: OpenedVolume,
  name: string,
  isFile: boolean,
  entryOf: (name: string) => Promise<JournalEntry | undefined>,
): Promise<ChainStep> {
  const parsed = isFile ? parseStateFile(await readWhole(files, layout, name)) : undefined;
  const inDone = (await files.stat(layout.flag('done', name))) !== undefined;
  const doneText = await readDoneFlag(files, layout, name);
  const failedText = await readText(files, layout.flag('failed', name));
  const claimText = await readText(files, layout.flag('in_progress', name));
  const record = parseCommitRecord(doneText ?? '', name);
  const failure = parseFailureRecord(failedText ?? '');
  const last = record === undefined ? await entryOf(name) : undefined;
  const present = {
    done: inDone ? doneText : undefined,
    archived: doneText,
    failed: failedText,
    'in progress': claimText,
  };
  const flag = (Object.entries(present).find(([, text]) => text !== undefined)?.[0] ??
    'available') as ChainStep['flag'];
  const token = parseToken(doneText ?? claimText);
  return {
    name,
    flag,
    state: parsed?.ok === true ? parsed.file.state : undefined,
    payload: parsed?.ok === true ? parsed.file.payload : undefined,
    worker: record?.worker ?? failure?.worker ?? token?.worker,
    started: record?.started ?? last?.started,
    duration:
      record === undefined
        ? last?.duration
        : Date.parse(record.finished) - Date.parse(record.started),
    attempts:
      record?.attempts ?? failure?.attempts ?? (await readTried(files, layout, name)).attempts,
    output: record?.output,
    reason: doneText === undefined ? failure?.reason : undefined,
  };
}

async function readWhole(files: Files, layout: Layout, name: string): Promise<Uint8Array> {
  const bytes = await files
    .read(await findState(files, layout, name))
    .catch(() => new Uint8Array());
  const torn = await tornSuccessor(files, layout, name, bytes);
  return torn === undefined ? bytes : new TextEncoder().encode(torn.content);
}

function describeChain(chain: readonly ChainStep[]): string {
  const rows = chain.map((step) => [
    step.name,
    step.flag,
    step.worker ?? '',
    step.started === undefined ? '' : clockTime(step.started),
    step.duration === undefined ? '' : formatDuration(step.duration),
    JSON.stringify(step.payload) ?? '',
  ]);
  const parts = [table(['step', 'is', 'worker', 'started', 'took', 'payload'], rows)];
  for (const step of chain) {
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
