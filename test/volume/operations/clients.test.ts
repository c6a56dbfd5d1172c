/** What clients do with a volume on which sessions run. */
import { describe, expect, test } from 'vitest';
import { parseEventName } from '../../../src/machine/event.ts';
import { formatInstant } from '../../../src/volume/phases/volume-clock.ts';
import { resetInProgress, findLiving } from '../../../src/volume/admin.ts';
import { volumeClient } from '../../../src/volume/client.ts';
import { ensureDirectory } from '../../../src/volume/atomic-files.ts';
import type { Watch } from '../../../src/volume/cycle-loop.ts';
import {
  Bench,
  bytesOf,
  COUNT,
  CYCLE_MS,
  LAMP,
  LEASE_MS,
  newSettlement,
  OPEN,
  PHASES,
} from './bench.ts';
import { formatCounter } from '../../../src/volume/heartbeat.ts';
import { DiskVolume } from './disk-volume.ts';
import { VirtualTime } from './virtual-time.ts';

const OVERLONG_NAME = 'x'.repeat(201);
const ORDERS = { name: 'orders', version: 'v1' };
const LETTERS = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];

describe('configurations', () => {
  test('keep the first text of a version to the byte, and say how another one differs', async () => {
    const { configurations } = (await Bench.create()).client;
    expect(await configurations.list()).toEqual([]);
    expect(await configurations.get(ORDERS)).toBeUndefined();
    expect(await configurations.put(ORDERS, 'a: 1\n')).toEqual({ kind: 'stored' });
    expect(await configurations.put(ORDERS, 'a: 1\n')).toEqual({ kind: 'there already' });
    // Differs only in layout.
    expect(await configurations.put(ORDERS, '# one\na:   1\n')).toEqual({ kind: 'there already' });
    expect(await configurations.put(ORDERS, 'a: 2\n')).toEqual({
      kind: 'differs',
      differing: ['a: 1 is stored, not 2'],
    });
    expect(await configurations.get(ORDERS)).toBe('a: 1\n');
    const next = { ...ORDERS, version: 'v2' };
    expect(await configurations.get(next)).toBeUndefined();
    expect(await configurations.put(next, 'a: 2\n')).toEqual({ kind: 'stored' });
    const listed = await configurations.list();
    expect(listed.map(({ name, version }) => `${name}:${version}`).sort()).toEqual([
      'orders:v1',
      'orders:v2',
    ]);
  });

  test('keep one of several texts put at once, and tell the other callers how theirs differ', async () => {
    const { configurations } = (await Bench.create()).client;
    const puts = await Promise.all(
      LETTERS.map((letter) => configurations.put(ORDERS, `a: ${letter}`)),
    );
    const kept = puts.findIndex(({ kind }) => kind === 'stored');
    expect(puts.filter(({ kind }) => kind === 'differs')).toHaveLength(LETTERS.length - 1);
    expect(await configurations.get(ORDERS)).toBe(`a: ${LETTERS[kept]}`);
  });

  test.each([
    { name: '', version: '1' },
    { name: 'a/b', version: '1' },
    { name: 'a@b', version: '1' },
    { name: 'a', version: '' },
    { name: 'a', version: '../1' },
    { name: 'a', version: OVERLONG_NAME },
  ])('reject the invalid name %j', async (key) => {
    const { configurations } = (await Bench.create()).client;
    await expect(configurations.put(key, 'a: 1')).rejects.toMatchObject({
      code: 'bad-configuration-name',
    });
    expect(await configurations.list()).toEqual([]);
  });
});

describe('reset', () => {
  test('leaves the claims of living sessions when it is aborted before it knows them', async () => {
    const bench = await Bench.create();
    await bench.submit('one', COUNT);
    const ant = await bench.open('ant');
    await bench.claimAll(ant);
    const abort = new AbortController();
    const reason = new Error('no more');
    const resetting = bench.client.reset({ statuses: ['in progress'] }, abort.signal);
    const rejected = expect(resetting).rejects.toBe(reason);
    await bench.pass(10, ant);
    abort.abort(reason);
    await rejected;
    expect(await bench.chain('one')).toEqual(['count in progress']);
  });

  test('finds no session when it is aborted before the second look', async () => {
    const time = new VirtualTime();
    const { clock } = time;
    const { files, layout } = await DiskVolume.create(time, PHASES, LEASE_MS);
    await ensureDirectory(files, layout.internal('leases'));
    await files.create(layout.internal('leases', 'ant.1'), formatCounter(1));
    const abort = new AbortController();
    const finding = findLiving({ files, layout, clock, leaseMs: LEASE_MS }, abort.signal);
    const rejected = expect(finding).rejects.toBe('no more');
    await time.pass(1);
    abort.abort('no more');
    await rejected;
  });

  test('removes no more claims after it was aborted', async () => {
    const { files, layout } = await DiskVolume.create(new VirtualTime(), PHASES, LEASE_MS);
    await ensureDirectory(files, layout.flags('in_progress'));
    for (const name of ['a.state', 'b.state'])
      await files.create(layout.flag('in_progress', name), 'theirs');
    let steps = 0;
    const goesOn = async (): Promise<boolean> => (steps += 1) < 2;
    expect(await resetInProgress(files, layout, new Set(), goesOn)).toEqual(['a.state']);
    expect(await files.list(layout.flags('in_progress'))).toEqual(['b.state']);
  });
});

describe('submit', () => {
  test('never replaces a state file, and tells the same bytes from others', async () => {
    const bench = await Bench.create();
    const { client } = bench;
    expect(await client.get('lamp')).toBeUndefined();
    expect(await bench.instances()).toEqual([]);
    const bytes = bytesOf(LAMP);
    expect(await bench.submitState('lamp.state', bytes)).toBe('submitted');
    // The caller may reuse its buffer.
    bytes.fill(0);
    expect(await bench.submitState('lamp.state', bytesOf(LAMP))).toBe('there already');
    expect(await bench.submitState('lamp.state', bytesOf('{"state":"bell"}'))).toBe('name taken');
    expect(await client.get('lamp')).toMatchObject({
      name: 'lamp.state',
      flag: 'available',
      state: 'lamp',
      payload: {},
    });
    await bench.submit('bell', { state: 'bell' });
    expect(await bench.instances()).toEqual(['bell', 'lamp']);
    expect(await bench.failed()).toEqual([]);
  });

  test('accepts one of several files of one name submitted at once', async () => {
    const bench = await Bench.create();
    const all = await Promise.all(
      LETTERS.map((state) => bench.submitState('one.state', bytesOf({ state }))),
    );
    expect(all.filter((one) => one === 'submitted')).toHaveLength(1);
    expect(all.filter((one) => one === 'name taken')).toHaveLength(LETTERS.length - 1);
    const [step] = await bench.client.history('one');
    expect(step?.state).toBe(LETTERS[all.indexOf('submitted')]);
  });

  test('does not run an instance again that is done', async () => {
    const bench = await Bench.create();
    const { client } = bench;
    await bench.submit('one', COUNT);
    const ant = await bench.open('ant');
    await bench.drain(ant);
    expect(await client.get('one')).toMatchObject({ flag: 'done', output: 'ant' });
    expect(await bench.instances()).toEqual(['one']);
    expect(await bench.submitState('one.state', bytesOf(COUNT))).toBe('there already');
    expect(await bench.submitState('one.state', bytesOf(LAMP))).toBe('name taken');
    expect((await ant.snapshot()).tasks.size).toBe(0);
  });

  test.each([
    ['lamp', '{"state":"lamp"}'],
    ['.lamp.state', '{"state":"lamp"}'],
    ['a/b.state', '{"state":"lamp"}'],
    ['a\ud800.state', '{"state":"lamp"}'],
    ['lamp.state', '{"state":"lamp","join":{"__proto__":null}}'],
    [`${OVERLONG_NAME}.state`, '{"state":"lamp"}'],
    ['lamp.state', ''],
    ['lamp.state', '{"state":'],
    ['lamp.state', '{"state":"lamp","x":1}'],
    ['lamp.state', '{"payload":1}'],
  ])('rejects the name %s with the content %s', async (name, text) => {
    const bench = await Bench.create();
    await expect(bench.submitState(name, bytesOf(text))).rejects.toMatchObject({
      code: 'bad-state',
    });
    expect(await bench.instances()).toEqual([]);
  });
});

test('retry makes a failed state available again, without its attempts', async () => {
  const bench = await Bench.create();
  const { client } = bench;
  const name = await bench.submit('one', { state: 'nothing' });
  expect(await bench.retry(name)).toBe(false);
  expect(await bench.retry('other.state')).toBe(false);
  const ant = await bench.open('ant');
  await bench.fail(ant, name);
  expect(await bench.failed()).toEqual([name]);
  expect(await client.get('one')).toMatchObject({ flag: 'failed', reason: 'no such thing' });
  expect((await ant.snapshot()).tasks.size).toBe(0);
  expect(await bench.retry(name)).toBe(true);
  expect(await bench.retry(name)).toBe(false);
  expect(await bench.failed()).toEqual([]);
  expect((await ant.snapshot()).tasks.names).toEqual([name]);
  expect(await ant.claim(name, OPEN)).toBe('ours');
  expect(await ant.readState(name)).toMatchObject({ kind: 'text', attempts: [] });
  await bench.settle(ant, [newSettlement(name, { kind: 'commit', record: undefined })]);
  expect(await bench.retry(name)).toBe(false);
});

describe('history', () => {
  test('is empty for an instance that does not exist', async () => {
    expect(await (await Bench.create()).client.history('missing')).toEqual([]);
  });

  test('has the flag, the worker, the times and the events of each step', async () => {
    const bench = await Bench.create();
    const { client } = bench;
    await bench.submit('lamp', { ...LAMP, payload: { a: 1 } });
    const ant = await bench.open('ant');
    expect(await bench.chain('lamp')).toEqual(['lamp available']);
    await bench.sendNew('lamp', 'a', { originator: 'me' });
    const steps = await bench.claimAll(ant);
    expect(await bench.chain('lamp')).toEqual(['lamp in progress']);
    expect(await client.get('lamp')).toMatchObject({ worker: 'ant', flag: 'in progress' });
    await bench.settle(ant, steps);
    await bench.drain(ant);
    expect(await bench.chain('lamp')).toEqual(['lamp done', 'on waiting']);
    const [first, second] = await client.history('lamp');
    expect(first).toMatchObject({
      name: 'lamp.state',
      payload: { a: 1 },
      worker: 'ant',
      started: steps[0]!.change.kind === 'commit' ? steps[0]!.change.record!.started : '',
      duration: 0,
      attempts: [],
      events: [{ id: 'a', event: 'press', originator: 'me', outcome: 'Ok', from: 'off' }],
    });
    expect(second).toMatchObject({ name: 'lamp.state-1', state: 'on', payload: { a: 1 } });
    expect(await client.get('lamp')).toEqual(second);
  });

  test('takes a step without a commit record from the journal', async () => {
    const bench = await Bench.create();
    const name = await bench.submit('one', COUNT);
    const ant = await bench.open('ant');
    expect(await ant.claim(name, OPEN)).toBe('ours');
    await bench.settle(ant, [newSettlement(name, { kind: 'commit', record: undefined })]);
    const started = ant.stamp();
    const { session, worker } = ant.token;
    const entry = { started, duration: 12, state: name, machine: 'count', worker, session };
    await ant.journal([{ ...entry, attempt: 1, result: 'done' }]);
    expect(await bench.client.history('one')).toMatchObject([
      { flag: 'done', worker: 'ant', started, duration: 12, output: undefined },
    ]);
  });
});

test('submit returns when what it has published is on the disk', async () => {
  const time = new VirtualTime();
  const { files, layout } = await DiskVolume.create(time, PHASES, LEASE_MS);
  const calls: string[] = [];
  const watched = new Proxy(files, {
    get: (target, key) => {
      const value = Reflect.get(target, key) as unknown;
      if (typeof value !== 'function') return value;
      return (...args: string[]) => {
        if (key === 'sync' || key === 'link') calls.push(`${key} ${args.at(-1)}`);
        return (value as (...given: string[]) => unknown).apply(target, args);
      };
    },
  });
  const base = { layout, clock: time.clock, ownClock: true, leaseMs: LEASE_MS };
  const client = volumeClient({ ...base, files: watched });
  const states = ['a', 'b'].map((name) => ({ name: `${name}.state`, bytes: bytesOf(LAMP) }));
  for (const batch of [states.slice(0, 1), states]) {
    calls.length = 0;
    await client.submit(batch);
    const published = batch.at(-1)!.name;
    expect(calls.slice(-2)).toEqual([`link ${layout.root}/${published}`, `sync ${layout.root}`]);
  }
});

describe('send', () => {
  test('gives the events of one call for one instance strictly increasing times', async () => {
    const bench = await Bench.create();
    const ids = ['c', 'b', 'a'];
    const events = ids.map((id) => ({ to: 'lamp', id, file: { event: 'press' } }));
    const sending = bench.client.send([...events, { ...events[0]!, to: 'other', id: 'd' }]);
    // It waits until the volume's time is that of the last one.
    let isSent = false;
    void sending.then(() => (isSent = true));
    await new Promise(setImmediate);
    expect(isSent).toBe(false);
    await bench.time.pass(2);
    const names = (await sending).map((sent) => (sent.kind === 'sent' ? sent.name : ''));
    const start = bench.time.now - 2;
    expect(names.map((name) => parseEventName(name))).toEqual(
      [
        [0, 'c', 'lamp'],
        [1, 'b', 'lamp'],
        [2, 'a', 'lamp'],
        [0, 'd', 'other'],
      ].map(([ms, id, to]) => ({
        time: new Date(start + Number(ms)).toISOString(),
        isDelayed: false,
        key: id,
        to,
      })),
    );
    const later = parseEventName(await bench.sendNew('lamp', 'later'));
    expect(later?.time).toBe(formatInstant(start + 2));
  });

  test('publishes what is not over yet', async () => {
    const bench = await Bench.create();
    await bench.submit('lamp', LAMP);
    const ant = await bench.open('ant');
    await bench.sendNew('lamp', 'a');
    await bench.drain(ant);
    const events = ['a', 'b'].map((id) => ({ to: 'lamp', id, file: { event: 'press' } }));
    const kinds = (await bench.client.send(events)).map(({ kind }) => kind);
    expect(kinds).toEqual(['over', 'sent']);
  });
});

describe('workers', () => {
  test('are alive until their lease is over, and show what they hold', async () => {
    const bench = await Bench.create();
    const name = await bench.submit('one', COUNT);
    const [ant, bee] = await bench.openPair();
    expect(await ant.claim(name, OPEN)).toBe('ours');
    const since = ant.stamp();
    await ant.reportClaims([
      { state: name, machine: 'count', stage: 'running', since, attempt: 2 },
    ]);
    const { session } = ant.token;
    const holds = [{ name, machine: 'count', since, attempt: 2 }];
    expect(await bench.client.workers()).toMatchObject([
      { worker: 'ant', session, isAlive: true, concurrency: 2, holds },
      { worker: 'bee', isAlive: true, holds: [] },
    ]);
    bench.kill(ant);
    await bench.pass(2 * LEASE_MS, bee);
    const [dead, alive] = await bench.client.workers();
    expect(dead).toMatchObject({ session, isAlive: false, holds });
    expect(dead!.silentMs).toBeGreaterThan(LEASE_MS);
    expect(alive).toMatchObject({ worker: 'bee', isAlive: true });
    await bench.expire(bee);
    const left = await bench.client.workers();
    expect(left.filter(({ isAlive }) => isAlive)).toMatchObject([{ worker: 'bee' }]);
  });
});

test('watch names the instances of file events, and hints once a cycle without any', async () => {
  const time = new VirtualTime();
  const { files, layout } = await DiskVolume.create(time, PHASES, LEASE_MS);
  let tell: (name?: string) => void = () => undefined;
  let isWatched = false;
  const watch: Watch = async (hint) => {
    [tell, isWatched] = [hint, true];
    return async () => void (isWatched = false);
  };
  const base = { files, layout, clock: time.clock, ownClock: true, leaseMs: LEASE_MS };
  const client = volumeClient({ ...base, watch, cycleMs: CYCLE_MS });
  const hints = client.watch(new AbortController().signal)[Symbol.asyncIterator]();
  const first = hints.next();
  await new Promise(setImmediate);
  for (const name of ['a.state-3', 'events/20260101T000000.000Z~id@b', 'a.state-4']) tell(name);
  expect([await first, await hints.next()].map(({ value }) => value as object)).toEqual([
    { instance: 'a' },
    { instance: 'b' },
  ]);
  const inCycle = hints.next();
  await time.pass(CYCLE_MS);
  expect((await inCycle).value).toEqual({});
  const last = hints.next();
  await client.close();
  expect((await last).done).toBe(true);
  expect(isWatched).toBe(false);
});
