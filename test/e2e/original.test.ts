/** A worker and the program that this one replaces, on one volume. */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Fleet } from '../fleet.ts';

const PHASES = { assignment: 400, commitment: 400, update: 500, buffer: 150 };
const CYCLE = PHASES.assignment + PHASES.commitment + PHASES.update + 3 * PHASES.buffer;
const COMPATIBLE = [
  ...Object.entries(PHASES).flatMap(([phase, ms]) => [`--${phase}`, `${ms}ms`]),
  ...'--assign zip --concurrency 1 --no-follow --example-delay 0'.split(' '),
];

/** One cycle of the original, by its description: flags are empty files, presence is what counts. */
async function original(fleet: Fleet, name: string, stop: () => boolean): Promise<string[]> {
  const path = (...parts: string[]): string => join(fleet.dir, ...parts);
  const within = async (offset: number): Promise<void> => {
    const now = Date.now();
    const start = Math.floor(now / CYCLE) * CYCLE + offset;
    await new Promise((wake) => setTimeout(wake, (start > now ? start : start + CYCLE) - now + 50));
  };
  const update = PHASES.assignment + PHASES.commitment + 2 * PHASES.buffer;
  const ticked: string[] = [];
  await within(update);
  while (!stop()) {
    writeFileSync(path('workers', name), '');
    await within(0);
    const taken = new Set([...fleet.list('done'), ...fleet.list('in_progress')]);
    const states = fleet
      .list('.')
      .filter((file) => file.includes('.state') && !file.startsWith('.') && !taken.has(file));
    const state = states[fleet.list('workers').indexOf(name)];
    await within(PHASES.assignment + PHASES.buffer);
    if (state !== undefined) {
      rmSync(path('workers', name));
      writeFileSync(path('in_progress', state), '');
      ticked.push(state);
    }
    await within(update);
    if (state === undefined) continue;
    const { payload } = JSON.parse(fleet.read(state)) as { payload: { count: number } };
    const [instance, step] = state.split('.state');
    if (payload.count > 1) {
      const successor = `${instance}.state-${step === '' ? 1 : Number(step!.slice(1)) + 1}`;
      fleet.put(successor, { state: 'countdown', payload: { count: payload.count - 1 } });
    }
    writeFileSync(path('done', state), '');
    rmSync(path('in_progress', state));
  }
  return ticked;
}

test('the original shares a volume with a worker: same phases, same pairing, same names, no step done twice', async () => {
  await using fleet = new Fleet();
  const ours = fleet.worker('b-ours', ['--watch', ...COMPATIBLE]);
  await fleet.until('ours is there', () => fleet.list('workers').length === 1);
  const states = ['p', 'q', 'r', 's'].flatMap((name) => [
    `${name}.state`,
    `${name}.state-1`,
    `${name}.state-2`,
  ]);
  for (const name of ['p', 'q', 'r', 's'])
    fleet.put(`${name}.state`, { state: 'countdown', payload: { count: 3 } });
  let over = false;
  const theirs = original(fleet, 'a-theirs', () => over);
  await fleet.until('all are done', () => fleet.list('done').length === states.length);
  over = true;
  const ticked = await theirs;
  ours.kill('SIGTERM');
  expect((await ours.ended).status).toBe(0);
  expect(fleet.list('done')).toEqual(states.sort());
  expect(fleet.list('in_progress')).toEqual([]);
  expect(fleet.list('failed')).toEqual([]);
  const mine = fleet.journal().map(({ state }) => state);
  expect([...mine, ...ticked].sort()).toEqual(states);
  expect(mine.length).toBeGreaterThan(0);
  expect(ticked.length).toBeGreaterThan(0);
});
