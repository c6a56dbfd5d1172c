/** Many forks, with workers killed all the time: every join runs once, with the outputs of all branches. */
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parseCommitRecord } from '../../src/machine/record.ts';
import { Fleet, type Running } from '../fleet.ts';

const INDEX = join(import.meta.dirname, '../../src/index.ts');
const FORKS = 1000;
const BRANCHES = ['a', 'b', 'c', 'd'];
const FLAGS = ['--lease', '2s', '--concurrency', '50'];
const KILL_INTERVAL_MS = 2000;
const TIMEOUT_MS = 600_000;

const MACHINE = `import { done, fork, machine, next } from '${INDEX}';
const BRANCHES = ${JSON.stringify(BRANCHES)};
export default machine({
  name: 'order',
  activities: {
    order: { retry: { maximumAttempts: 100 }, tick: () => fork(
      Object.fromEntries(BRANCHES.map((name, left) => [name, { state: 'work', payload: left % 2 }])),
      { state: 'joined' },
    ) },
    // Many attempts: a state may lose its worker more than five times in a row.
    work: { retry: { maximumAttempts: 100 }, tick: async ({ payload, instance, pause }) => {
      await pause(20);
      return payload > 0 ? next('work', payload - 1) : done({ from: instance });
    } },
    joined: { retry: { maximumAttempts: 100 }, tick: ({ outputs }) => done(outputs) },
  },
});`;

test(
  `${FORKS} forks of ${BRANCHES.length} branches, and kill -9 every ${KILL_INTERVAL_MS} ms`,
  async () => {
    await using fleet = new Fleet();
    const folder = join(fleet.dir, '.machines');
    mkdirSync(folder);
    writeFileSync(join(folder, 'order.ts'), MACHINE);
    for (let index = 0; index < FORKS; index += 1) {
      fleet.put(`.o${index}`, { state: 'order' });
      renameSync(join(fleet.dir, `.o${index}`), join(fleet.dir, `o${index}.state`));
    }
    const start = (name: string): Running => fleet.worker(name, [...FLAGS, '--machines', folder]);
    const began = Date.now();
    const workers = ['ant', 'bee', 'cat'].map((name) => ({ name, process: start(name) }));
    let kills = 0;
    // The workers are killed in turn, until one of them ends on an empty volume.
    while (workers.every(({ process }) => !process.isOver)) {
      const killAt = Date.now() + KILL_INTERVAL_MS;
      await fleet.until(
        'the next kill is due',
        () => Date.now() > killAt || workers.some(({ process }) => process.isOver),
      );
      const victim = workers[kills % workers.length]!;
      if (victim.process.isOver) break;
      victim.process.kill('SIGKILL');
      await victim.process.ended;
      kills += 1;
      victim.process = start(victim.name);
    }
    const ends = await Promise.all(workers.map(({ process }) => process.ended));
    console.log(`${kills} kills in ${Math.round((Date.now() - began) / 1000)} s`);
    expect(ends.map(({ status }) => status)).toEqual([0, 0, 0]);
    expect(kills).toBeGreaterThan(3);
    for (const place of ['failed', 'waiting', 'events', 'in_progress']) {
      expect(fleet.list(place)).toEqual([]);
    }
    const isState = (name: string): boolean => name.includes('.state');
    expect(fleet.list('done').filter(isState)).toEqual(fleet.list('.').filter(isState));
    expect(wrongForks(fleet)).toEqual([]);
  },
  TIMEOUT_MS,
);

function wrongForks(fleet: Fleet): string[] {
  const records = new Map(
    fleet.list('done').map((name) => [name, parseCommitRecord(fleet.read('done', name), name)]),
  );
  const committed = new Map<string, string>();
  const twice = fleet.journal().flatMap(({ state, session, result }) => {
    const other = result === 'done' ? committed.get(state) : undefined;
    if (result === 'done') committed.set(state, session);
    return other === undefined ? [] : [`${state} was committed by ${other} and by ${session}`];
  });
  const wrong = Array.from({ length: FORKS }, (_, index) => `o${index}`).flatMap((instance) => {
    const wanted = BRANCHES.map((branch) => [branch, { from: `${instance}~0~${branch}` }]);
    const all = [...records].filter(([name]) => name.startsWith(`${instance}.state`));
    const outputs = all.flatMap(([, record]) => record?.output ?? []);
    const text = JSON.stringify([Object.fromEntries(wanted)]);
    return JSON.stringify(outputs) === text ? [] : [`${instance}: ${JSON.stringify(outputs)}`];
  });
  return [...twice, ...wrong];
}
