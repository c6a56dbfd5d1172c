/** A worker process in which an assertion fails: `bad.state` is committed with a record of another state. */
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Fleet, launchHere, type Ran } from '../fleet.ts';

const HOOK = resolve(import.meta.dirname, '../mutants/hook.ts');
const MUTANT = {
  file: 'src/worker/plan.ts',
  find: "return { kind: 'tick', machine, file, attempts, tick };",
  replace: `if (name === 'bad.state') (tick as { name: string }).name = 'other.state';
  return { kind: 'tick', machine, file, attempts, tick };`,
};
const WITH_BUG = { NODE_OPTIONS: `--import ${HOOK}`, FLOCKWORK_MUTANT: JSON.stringify(MUTANT) };
/** Of `bad.state`, without the bug. */
const DONE = ['bad.state', 'bad.state-1'];
const COUNTDOWN = { state: 'countdown', payload: { count: 2 } };
const OPTIONS = ['--example-delay', '0', '--lease', '2s', '--log-format', 'json'];

const bugLines = ({ stderr }: Ran): Record<string, unknown>[] =>
  stderr
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .filter(({ code }) => code === 'invariant');

describe('a worker with a bug', () => {
  test('ends with status 12 and says what to do; its volume is recovered by another', async () => {
    await using fleet = new Fleet();
    fleet.put('bad.state', COUNTDOWN);
    const ran = await fleet.worker('ant', ['--watch', ...OPTIONS], WITH_BUG).ended;
    expect(ran.status).toBe(12);
    expect(bugLines(ran)).toMatchObject([
      {
        level: 'error',
        worker: 'ant',
        state: 'bad.state',
        session: expect.stringMatching(/^ant\./),
        msg: expect.stringMatching(/^a bug in flockwork: .*report this line/),
        err: { message: expect.stringContaining('I2: expected the record of the state') },
      },
    ]);
    expect(fleet.list('done')).toEqual([]);
    expect(fleet.list('.flockwork/leases')).toHaveLength(1);
    const after = await fleet.worker('bee', OPTIONS).ended;
    expect({ status: after.status, done: fleet.list('done') }).toEqual({
      status: 0,
      done: DONE,
    });
  });

  test('stops on its other volumes too, as by a signal', async () => {
    await using fleet = new Fleet();
    await using other = new Fleet();
    const both = ['--dir', other.dir, '--watch', ...OPTIONS];
    const worker = fleet.worker('ant', both, WITH_BUG);
    await other.until('it works on the other one', () => other.list('workers').length === 1);
    writeFileSync(join(fleet.dir, 'bad.state'), JSON.stringify(COUNTDOWN));
    const ran = await worker.ended;
    expect(ran.status).toBe(12);
    expect(bugLines(ran)).toMatchObject([{ dir: fleet.dir, state: 'bad.state' }]);
    const leases = join(other.dir, '.flockwork/leases');
    expect(existsSync(leases) && readdirSync(leases)).toEqual([]);
  });

  test('makes up end with its status', async () => {
    await using fleet = new Fleet();
    fleet.put('bad.state', COUNTDOWN);
    const main = resolve(import.meta.dirname, '../../src/cli/main.ts');
    const args = [main, 'up', '--dir', fleet.dir, '--workers', '1', ...OPTIONS];
    expect((await launchHere(args, WITH_BUG).ended).status).toBe(12);
  });
});
