/** Instances and results, read from real directories. */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { formatRecord, type CommitRecord } from '../../src/machine/record.ts';
import type { InstanceFilter } from '../../src/engine/engine.ts';
import { volumeClient } from '../../src/volume/client.ts';
import {
  countInstances,
  InstanceLists,
  readResults,
  type Result,
} from '../../src/volume/instances.ts';
import { NodeFiles } from '../../src/volume/node-files.ts';
import { StillClock } from '../still-clock.ts';
import { bareStep, commitStep, OPEN, TestVolume } from './harness.ts';

const files = new NodeFiles({ durable: false });
const all = (): boolean => true;
const SIMPLE = { machine: 'simple', state: 'simple' };

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

async function listed(
  volume: TestVolume,
  filter: InstanceFilter = {},
  monotonic = (): number => 0,
): Promise<string[]> {
  const lists = new InstanceLists(files, volume.layout, monotonic);
  const { instances } = await lists.list(filter, { limit: 100 });
  return instances.map(({ name, status }) => `${name} ${status}`);
}

describe('instances', () => {
  const STATUSES = ['done', 'failed', 'in progress', 'waiting', 'available'] as const;

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
    const expected = [
      'a.state-10 waiting',
      // A state with both flags is done.
      'b.state done',
      'c.state failed',
      'd.state in progress',
      'e.state available',
    ];
    expect(await listed(volume)).toEqual(expected);
    const filtered = await Promise.all(STATUSES.map((status) => listed(volume, { status })));
    expect(filtered.flat().sort()).toEqual(expected);
    const { statuses, places } = await countInstances(files, volume.layout);
    expect(statuses).toEqual({
      done: 1,
      archived: 0,
      failed: 1,
      'in progress': 1,
      waiting: 1,
      available: 1,
    });
    expect(places).toContainEqual({ ...SIMPLE, status: 'failed', count: 1 });
  });

  test('that have gone on are not listed by the flag of an earlier state', async () => {
    using volume = await TestVolume.create();
    for (const name of ['a.state', 'a.state-1', 'in_progress/a.state']) volume.put(name);
    expect(await listed(volume)).toEqual(['a.state-1 available']);
    expect(await listed(volume, { status: 'in progress' })).toEqual([]);
  });

  test('whose state file is gone are listed as failed, so that their flags can be removed', async () => {
    using volume = await TestVolume.create();
    volume.put('failed/gone.state', '');
    expect(await listed(volume, { status: 'failed' })).toEqual(['gone.state failed']);
    expect(await listed(volume, { status: 'failed', machine: 'simple' })).toEqual([]);
  });

  test('are not retried by a name that no state file can have', async () => {
    using volume = await TestVolume.create();
    const { layout } = volume;
    const clock = new StillClock();
    const client = volumeClient({ files, layout, clock, ownClock: true, leaseMs: undefined });
    expect(await client.retry(['a\0.state', '../failed/a.state'])).toEqual([false, false]);
  });

  test('in a folder of a user in the archive are not counted', async () => {
    using volume = await TestVolume.create();
    volume.put('a.state');
    volume.put('done/a.state', '');
    archive(volume, 'a.state');
    for (const path of ['mine/b.state', 'mine/done/b.state']) {
      mkdirSync(`${volume.layout.archive}/mine/done`, { recursive: true });
      writeFileSync(`${volume.layout.archive}/${path}`, '{"state":"simple"}');
    }
    const { statuses, isSampled } = await countInstances(files, volume.layout);
    expect({ archived: statuses.archived, isSampled }).toEqual({ archived: 1, isSampled: false });
  });

  test('that are archived are listed and counted by that status', async () => {
    using volume = await TestVolume.create();
    for (const name of ['a.state', 'b.state', 'b.state-1']) volume.put(name);
    for (const name of ['a.state', 'b.state']) {
      volume.put(`done/${name}`, '');
      archive(volume, name);
    }
    expect(await listed(volume)).toEqual(['b.state-1 available']);
    expect(await listed(volume, { status: 'done' })).toEqual([]);
    expect(await listed(volume, { status: 'archived' })).toEqual(['a.state archived']);
    expect(await listed(volume, { status: 'archived', prefix: 'b' })).toEqual([]);
    const { statuses } = await countInstances(files, volume.layout);
    expect(statuses).toMatchObject({ archived: 1, available: 1, done: 0 });
    const lists = new InstanceLists(files, volume.layout, () => 0);
    const { instances } = await lists.list({ status: 'archived' }, { limit: 1 });
    expect(instances).toMatchObject([{ ...SIMPLE, instance: 'a' }]);
    expect(instances[0]!.since).toMatch(/^20/);
  });

  test('whose file does not parse have neither machine nor state', async () => {
    using volume = await TestVolume.create();
    volume.put('a.state', '{');
    const lists = new InstanceLists(files, volume.layout, () => 0);
    const unknown = { machine: undefined, state: undefined };
    expect((await lists.list({}, { limit: 1 })).instances).toMatchObject([unknown]);
    expect((await countInstances(files, volume.layout)).places).toMatchObject([unknown]);
  });

  test('of a page are those of the listing before, if that page has just been read', async () => {
    using volume = await TestVolume.create();
    for (const name of ['a', 'b', 'c']) volume.put(`${name}.state`);
    let now = 0;
    const lists = new InstanceLists(files, volume.layout, () => now);
    const page = async (after?: string, filter: InstanceFilter = {}): Promise<string[]> => {
      const of = { limit: 1, ...(after !== undefined && { after }) };
      const { instances } = await lists.list(filter, of);
      return instances.map(({ instance }) => instance);
    };
    expect(await page()).toEqual(['a']);
    volume.put('aa.state');
    expect(await page('a')).toEqual(['b']);
    // Of another filter, or after a while, it is listed again.
    expect(await page('a', { prefix: 'a' })).toEqual(['aa']);
    expect(await page()).toEqual(['a']);
    volume.put('ab.state');
    now = 6000;
    expect(await page('aa')).toEqual(['ab']);
  });

  test('are looked at in bounded numbers for a page', async () => {
    using volume = await TestVolume.create();
    for (let index = 0; index < 1500; index += 1) volume.put(`i${index}.state`, '{"state":"x"}');
    volume.put('j.state');
    const lists = new InstanceLists(files, volume.layout, () => 0);
    const first = await lists.list({ machine: 'simple' }, { limit: 1 });
    expect(first).toMatchObject({ instances: [], next: expect.any(String) });
    const second = await lists.list({ machine: 'simple' }, { limit: 1, after: first.next! });
    expect(second).toMatchObject({ instances: [{ instance: 'j' }] });
    const { places, isSampled } = await countInstances(files, volume.layout);
    expect(isSampled).toBe(true);
    expect(places[0]).toMatchObject({ machine: 'x', status: 'available' });
    expect(places[0]!.count).toBeGreaterThan(1490);
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
