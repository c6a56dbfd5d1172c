/**
 * Power loss: the disk's content at one moment, while workers write, replaces the mounted file system, and workers
 * go on from there. Repeated several times on the same volume.
 */
import { strict as assert } from 'node:assert';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { parseCommitRecord } from '../../src/machine/record.ts';
import { parseToken } from '../../src/volume/token.ts';
import { expectedStates, problemsWith, submitChains } from '../chaos.ts';
import { Fleet, run, type Running } from '../fleet.ts';
import { STEP_TIMEOUT_MS, stopAll, tracesIn, workFlags } from '../chaos-run.ts';
import { sh, type Power, type Stand } from './stand.ts';

const CUTS = 4;
const CHAINS = Array.from({ length: 24 }, (_, index) => ({ instance: `p${index}`, count: 8 }));
const STATES = expectedStates(CHAINS).length;

export interface PowerResult {
  readonly cuts: number;
  /** States that workers had logged as done at each cut. */
  readonly announced: readonly number[];
}

export async function powerCuts(
  stand: Stand,
  power: Power,
  say: (text: string) => void,
): Promise<PowerResult> {
  await using fleet = new Fleet(stand.root);
  const flags = workFlags(stand.pace, '0.1');
  submitChains(fleet.dir, CHAINS);
  sh('sync', '--file-system', stand.root);
  const crew = (): Running[] => ['ant', 'bee', 'cat'].map((name) => fleet.worker(name, flags));
  const unsynced = `${stand.root}/unsynced`;
  const announced: number[] = [];
  for (let cut = 0; cut < CUTS; cut += 1) {
    const workers = crew();
    const before = fleet.list('done').length;
    const goal = before + Math.floor((STATES - before) / (CUTS + 1 - cut));
    await fleet.until(`${goal} are done`, () => fleet.list('done').length >= goal, STEP_TIMEOUT_MS);
    const promised = workers.flatMap(({ stderr }) => saidDone(stderr));
    // An unsynced file shows whether the power was really cut.
    writeFileSync(unsynced, 'here');
    power.cut();
    for (const worker of workers) worker.kill('SIGKILL');
    await Promise.all(workers.map((worker) => worker.ended));
    power.restore();
    const done = new Set(fleet.list('done'));
    const problems = [
      ...promised
        .filter((name) => !done.has(name))
        .map((name) => `expected ${name} to stay done after the power cut`),
      ...[...done].flatMap((name) => notWhole(fleet, name)),
    ];
    assert.deepEqual(problems, [], `after cut ${cut + 1}`);
    announced.push(promised.length);
    const left = existsSync(unsynced) ? readFileSync(unsynced, 'utf8').length : 'nothing';
    say(
      `power cut ${cut + 1}: ${done.size} done, ${promised.length} of them said so by these workers; ` +
        `of an unsynced file of 4 bytes is left: ${left}`,
    );
    rmSync(unsynced, { force: true });
  }
  const workers = crew();
  await fleet.until(
    'all is done, and dead sessions are recovered',
    () =>
      fleet.list('done').length === STATES &&
      fleet.list('in_progress').length === 0 &&
      fleet.list('.flockwork/leases').length === workers.length &&
      areTracesOfLiveSessions(fleet),
    STEP_TIMEOUT_MS,
  );
  await stopAll(workers);
  const shown = await statesShown(fleet);
  const problems = problemsWith(fleet, CHAINS, (name) => shown.get(name) ?? '');
  assert.deepEqual([...problems, ...tracesIn(fleet)], []);
  return { cuts: CUTS, announced };
}

/** False while a power cut has left traces of a session without its lease: recovery removes them a lease later. */
function areTracesOfLiveSessions(fleet: Fleet): boolean {
  const live = new Set(fleet.list('.flockwork/leases'));
  const traces = ['sessions', 'staging'].flatMap((place) => fleet.list(`.flockwork/${place}`));
  return traces.every((name) => live.has(name.split('~')[0]!));
}

/** State files of done steps may be torn; `show` prints them from the records. */
async function statesShown(fleet: Fleet): Promise<Map<string, string>> {
  const shown = new Map<string, string>();
  for (const { instance } of CHAINS) {
    const { stdout } = await run('show', instance, '--dir', fleet.dir, '--json');
    const { chain } = JSON.parse(stdout) as { chain: { name: string }[] };
    for (const step of chain) shown.set(step.name, JSON.stringify(step));
  }
  return shown;
}

/** States that a worker's log reports as done: synced before, they must be done after a power cut. */
function saidDone(log: string): string[] {
  return [...log.matchAll(/"state":"([^"]+)"[^\n]*"msg":"state done"/g)].map((match) => match[1]!);
}

function notWhole(fleet: Fleet, name: string): string[] {
  const text = fleet.read('done', name);
  if (parseCommitRecord(text, name) !== undefined || parseToken(text) !== undefined) return [];
  return [`expected done/${name} whole, got ${JSON.stringify(text.slice(0, 100))}`];
}
