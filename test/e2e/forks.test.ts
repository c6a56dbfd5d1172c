/** What a tick may answer besides done and next, with real workers: forks, waits, delays, events, looks back. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Fleet, run, type Ran } from '../fleet.ts';

const INDEX = join(import.meta.dirname, '../../src/index.ts');

/** `pack` fails until a file says that there are boxes; half of a fork is in a fork, and one branch is a command. */
const ORDER = `import { existsSync } from 'node:fs';
import { done, FatalError, fork, machine } from '${INDEX}';
export default machine({
  name: 'order',
  activities: {
    order: ({ payload }) => fork({
      goods: { state: 'goods', payload },
      note: { state: 'print', machine: 'note', payload: { text: 'thanks' } },
    }, { state: 'ship' }, { emit: [{ to: 'desk', event: 'ring' }] }),
    goods: ({ payload }) => fork({ pack: { state: 'pack' }, pay: { state: 'pay' } }, { state: 'handed' }),
    pack: ({ payload }) => {
      if (!existsSync(payload.boxes)) throw new FatalError('no boxes');
      return done('box');
    },
    pay: () => done(),
    handed: ({ outputs }) => done(outputs),
    ship: ({ outputs }) => done(outputs),
  },
});`;
const NOTE = `name: note
starting_state: print
activities:
  print: { run: 'printf ''{"done": "%s"}'' "$FLOCKWORK_STEP_VALUE_TEXT"' }
`;
/** Rings, waits to be rung, asks again a moment later, and tells what it has been through. */
const DESK = `import { done, later, machine, same, wait } from '${INDEX}';
export default machine({
  name: 'desk',
  states: ['idle', 'answering'],
  events: ['ring'],
  initial: 'idle',
  sensors: ['o', 'missing'],
  table: { idle: { ring: 'answering' }, answering: { ring: 'answering' } },
  activities: {
    answering: async ({ payload, history, sensor }) => {
      if (payload.rung === undefined) return wait({ rung: 1 });
      if (payload.rung === 1) return later('300ms', 'answering', { rung: 2 });
      const steps = await history();
      const seen = [sensor('o')?.state !== undefined, sensor('missing') ?? null];
      return done({ steps: steps.map(({ state, payload }) => [state, payload]), seen });
    },
  },
});`;

function setUp(fleet: Fleet): { args: string[]; boxes: string } {
  const folder = join(fleet.dir, '.machines');
  mkdirSync(folder);
  writeFileSync(join(folder, 'order.ts'), ORDER);
  writeFileSync(join(folder, 'note.yaml'), NOTE);
  writeFileSync(join(folder, 'desk.ts'), DESK);
  const boxes = join(fleet.dir, '.boxes');
  fleet.put('o.state', { state: 'order', payload: { boxes } });
  fleet.put('desk.state', { state: 'desk' });
  return { args: ['--machines', folder], boxes };
}

const show = async (fleet: Fleet, ...args: string[]): Promise<Ran> =>
  run('show', 'o', '--dir', fleet.dir, ...args);

const outputOf = (fleet: Fleet, state: string): unknown => {
  const lines = fleet.read('done', state).split('\n');
  const records = lines
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as { state: string; output?: unknown });
  return records.find((record) => record.state === state)?.output;
};

describe('a fork', () => {
  test('is blocked by a failed branch, as show prints, and continues after its retry', async () => {
    await using fleet = new Fleet();
    const { args, boxes } = setUp(fleet);
    const first = [fleet.worker('ant', args), fleet.worker('bee', args)];
    // The worker ends although a branch has failed.
    const ends = await Promise.all(first.map((one) => one.ended));
    expect(new Set(ends.map(({ status }) => status))).toEqual(new Set([0, 1]));
    const { stdout } = await show(fleet);
    expect(stdout).toMatch(
      /o\.state-2 waits for branch goods: o~0~goods\.state-2 is waiting\no\.state-2 +waits for branch pack: o~0~goods~0~pack\.state is failed: no boxes/,
    );
    const json = JSON.parse((await show(fleet, '--json')).stdout) as {
      chain: { blockedBy: object[] }[];
    };
    expect(json.chain.at(-1)!.blockedBy).toMatchObject([
      {
        branch: 'goods',
        is: 'waiting',
        blockedBy: [{ branch: 'pack', is: 'failed', reason: 'no boxes' }],
      },
    ]);
    const status = await run('status', '--json', '--dir', fleet.dir);
    const { counts } = JSON.parse(status.stdout) as { counts: object };
    expect(counts).toMatchObject({ waiting: 3, failed: 1, available: 0, inProgress: 0, events: 0 });

    writeFileSync(boxes, '');
    expect((await run('retry', 'o~0~goods~0~pack.state', '--dir', fleet.dir)).status).toBe(0);
    expect((await fleet.worker('ant', args).ended).status).toBe(0);
    const goods = { pack: 'box', pay: null };
    expect(outputOf(fleet, 'o.state-3')).toEqual({ goods, note: 'thanks' });
    expect(fleet.list('failed')).toEqual([]);
    expect((await show(fleet)).stdout).not.toContain('waits for');
  });

  test('runs in threads; the desk that it notifies waits, delays, and reads its history', async () => {
    await using fleet = new Fleet();
    const { args, boxes } = setUp(fleet);
    writeFileSync(boxes, '');
    const worker = fleet.worker('ant', [...args, '--threads', '1', '--watch']);
    await fleet.until('the desk waits', () => fleet.list('waiting').includes('desk.state-2'));
    await run('send', 'desk', 'ring', '--dir', fleet.dir);
    await fleet.until('both are done', () =>
      ['desk.state-4', 'o.state-3'].every((name) => fleet.list('done').includes(name)),
    );
    worker.kill('SIGTERM');
    await worker.ended;
    expect(outputOf(fleet, 'desk.state-4')).toEqual({
      steps: [
        ['desk', {}],
        ['answering', {}],
        ['answering', { rung: 1 }],
        ['answering', { rung: 1 }],
        ['answering', { rung: 2 }],
      ],
      seen: [true, null],
    });
    expect(JSON.parse(fleet.read('desk.state-2'))).toMatchObject({ waits: true });
    const put = JSON.parse(fleet.read('desk.state-4')) as { notBefore: string };
    expect(Date.parse(put.notBefore)).toBeGreaterThan(0);
  });
});
