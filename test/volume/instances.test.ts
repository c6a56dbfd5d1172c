/** Instances and results, read from real directories. */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { formatRecord, type CommitRecord } from '../../src/machine/record.ts';
import { listInstances, listStatuses, readInstance, statusOf } from '../../src/volume/instances.ts';
import { NodeFiles } from '../../src/volume/node-files.ts';
import { readResults, type Result } from '../../src/volume/results.ts';
import { bareStep, commitStep, OPEN, TestVolume } from './harness.ts';

const files = new NodeFiles({ durable: false });
const all = (): boolean => true;

async function resultsOf(
  volume: TestVolume,
  isWanted: (instance: string) => boolean = all,
): Promise<Result[]> {
  const found: Result[] = [];
  for await (const one of readResults(files, volume.layout, isWanted)) found.push(one);
  return found;
}

/** Like the archiver. */
function archive({ layout }: TestVolume, name: string): void {
  mkdirSync(`${layout.archiveShard(name)}/done`, { recursive: true });
  renameSync(layout.flag('done', name), layout.archivedFlag(name));
  renameSync(layout.state(name), layout.archivedState(name));
}

const record = (volume: TestVolume, state: string, more: Partial<CommitRecord>): CommitRecord => ({
  flockwork: 1,
  state,
  session: 'ant.abcdefgh',
  worker: 'ant',
  started: '2026-01-01T00:00:00.000Z',
  finished: '2026-01-01T00:00:01.000Z',
  ...more,
});

describe('instances', () => {
  test('are listed with their last state file and its status', async () => {
    using volume = await TestVolume.create();
    for (const name of ['a.state', 'a.state-1', 'a.state-10', 'a.state-2', 'b.state', 'c.state']) {
      volume.put(name);
    }
    for (const name of ['d.state', 'e.state', '.hidden.state', 'notes.txt']) volume.put(name);
    for (const flag of ['done/a.state', 'done/b.state', 'failed/c.state', 'failed/b.state']) {
      volume.put(flag, '');
    }
    volume.put('in_progress/d.state', '');
    volume.put('waiting/a.state-10', '');
    const names = await listInstances(files, volume.layout, all, false);
    const statuses = await listStatuses(files, volume.layout);
    const found = await Promise.all(
      names.map(async ({ instance, name }) => [
        instance,
        name,
        statuses(name),
        await statusOf(files, volume.layout, name),
      ]),
    );
    expect(found).toEqual([
      ['a', 'a.state-10', 'waiting', 'waiting'],
      // A state with both flags is done.
      ['b', 'b.state', 'done', 'done'],
      ['c', 'c.state', 'failed', 'failed'],
      ['d', 'd.state', 'in progress', 'in progress'],
      ['e', 'e.state', 'available', 'available'],
    ]);
  });

  test('that are archived are listed on request', async () => {
    using volume = await TestVolume.create();
    for (const name of ['a.state', 'b.state', 'b.state-1']) volume.put(name);
    for (const name of ['a.state', 'b.state']) {
      volume.put(`done/${name}`, '');
      archive(volume, name);
    }
    const list = async (archived: boolean): Promise<string[]> =>
      (await listInstances(files, volume.layout, all, archived)).map(({ name }) => name);
    expect(await list(false)).toEqual(['b.state-1']);
    expect(await list(true)).toEqual(['a.state', 'b.state-1']);
    const line = await readInstance(
      files,
      volume.layout,
      { instance: 'a', name: 'a.state' },
      await statusOf(files, volume.layout, 'a.state'),
    );
    expect(line).toMatchObject({ status: 'done', machine: 'simple', state: 'simple' });
    expect(line.since).toMatch(/^20/);
  });

  test('whose file does not parse, or is gone, have neither machine nor state', async () => {
    using volume = await TestVolume.create();
    volume.put('a.state', '{');
    for (const instance of ['a', 'b']) {
      const one = { instance, name: `${instance}.state` };
      expect(await readInstance(files, volume.layout, one, 'available')).toMatchObject({
        machine: undefined,
        state: undefined,
      });
    }
  });
});

describe('results', () => {
  test('are those of ended instances, each from its own record in a bundle', async () => {
    using volume = await TestVolume.create();
    for (const name of ['a.state', 'b.state', 'c.state', 'c.state-1', 'd.state']) volume.put(name);
    const bundle = [
      record(volume, 'b.state', { output: 'b', machine: 'm' }),
      record(volume, 'a.state', { output: ['a'], machine: 'm' }),
      record(volume, 'd.state', { output: 'not committed' }),
    ];
    const text = bundle.map(formatRecord).join('');
    for (const name of ['a.state', 'b.state']) volume.put(`done/${name}`, text);
    const next = { name: 'c.state-1', content: '' };
    volume.put('done/c.state', formatRecord(record(volume, 'c.state', { next })));
    expect(await resultsOf(volume)).toEqual([
      {
        instance: 'a',
        machine: 'm',
        state: 'simple',
        output: ['a'],
        worker: 'ant',
        finished: '2026-01-01T00:00:01.000Z',
        isBranch: false,
      },
      expect.objectContaining({ instance: 'b', output: 'b' }),
    ]);
    expect(await resultsOf(volume, (instance) => instance === 'b')).toHaveLength(1);
  });

  test('do not include a step whose successor is not published yet', async () => {
    using volume = await TestVolume.create();
    volume.put('a.state');
    const next = { name: 'a.state-1', content: '' };
    volume.put('done/a.state', formatRecord(record(volume, 'a.state', { next })));
    expect(await resultsOf(volume)).toEqual([]);
  });

  test('without an output have the payload, and the time in the journal', async () => {
    using volume = await TestVolume.create();
    volume.put('a.state', { state: 'simple', payload: { n: 1 } });
    volume.put('b.state', { state: 'simple', payload: { n: 2 } });
    const ant = await volume.join('ant');
    for (const name of ['a.state', 'b.state']) await ant.session.claim(name, OPEN);
    await ant.session.settle([bareStep('a.state'), commitStep(ant, 'b.state')], OPEN);
    const { worker, session } = ant.session.token;
    const tick = { machine: 'simple', worker, session, attempt: 1, result: 'done' } as const;
    const started = '2026-01-01T00:00:00.000Z';
    await ant.session.journal([{ ...tick, started, duration: 250, state: 'a.state' }]);
    const [a, b] = await resultsOf(volume);
    expect(a).toMatchObject({
      instance: 'a',
      payload: { n: 1 },
      worker: 'ant',
      finished: '2026-01-01T00:00:00.250Z',
    });
    expect(a).not.toHaveProperty('output');
    expect(b).toMatchObject({ instance: 'b', output: 'ant' });
    expect(b).not.toHaveProperty('payload');
    for (const name of ['a.state', 'b.state']) archive(volume, name);
    expect((await resultsOf(volume)).sort((x, y) => (x.instance < y.instance ? -1 : 1))).toEqual([
      a,
      b,
    ]);
  });

  test('of branches are marked', async () => {
    using volume = await TestVolume.create();
    const branch = { of: 'a', name: 'b', room: 100 };
    writeFileSync(volume.layout.state('a~0~b.state'), JSON.stringify({ state: 'simple', branch }));
    volume.put('done/a~0~b.state', '');
    expect(readFileSync(volume.layout.state('a~0~b.state'), 'utf8')).toContain('room');
    expect(await resultsOf(volume)).toMatchObject([{ instance: 'a~0~b', isBranch: true }]);
  });
});
