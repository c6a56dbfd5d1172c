/** What those outside ask of a store. */
import { describe, expect, test } from 'vitest';
import { Bench, bytesOf, LAMP, OPEN, newStep, type MakeStore } from './bench.ts';

const LONG = 'x'.repeat(201);
const ORDERS = { name: 'orders', version: 'v1' };
const LETTERS = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];

export function exerciseFront(make: MakeStore): void {
  describe('configurations', () => {
    test('are kept to the byte, each once, and what is different is told', async () => {
      const { configurations } = (await Bench.of(make)).store;
      expect(await configurations.list()).toEqual([]);
      expect(await configurations.get(ORDERS)).toBeUndefined();
      expect(await configurations.put(ORDERS, 'a: 1\n')).toEqual({ kind: 'stored' });
      expect(await configurations.put(ORDERS, 'a: 1\n')).toEqual({ kind: 'there already' });
      // The same, but for its layout.
      expect(await configurations.put(ORDERS, '# one\na:   1\n')).toEqual({
        kind: 'there already',
      });
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

    test('of many at once one is kept, and the others are told how they differ', async () => {
      const { configurations } = (await Bench.of(make)).store;
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
      { name: 'a', version: LONG },
    ])('are refused under names that no machine has: %j', async (key) => {
      const { configurations } = (await Bench.of(make)).store;
      await expect(configurations.put(key, 'a: 1')).rejects.toMatchObject({
        code: 'bad-configuration-name',
      });
      expect(await configurations.list()).toEqual([]);
    });
  });

  describe('instances', () => {
    test('are put there whole, and never over what is there', async () => {
      const bench = await Bench.of(make);
      const { instances } = bench.store;
      expect(await instances.now('lamp')).toBeUndefined();
      expect(await instances.list()).toEqual([]);
      const bytes = bytesOf(LAMP);
      expect(await instances.submit('lamp.state', bytes)).toBe('submitted');
      // It is the caller's again.
      bytes.fill(0);
      expect(await instances.submit('lamp.state', bytesOf(LAMP))).toBe('there already');
      expect(await instances.submit('lamp.state', bytesOf('{"state":"bell"}'))).toBe('name taken');
      expect(await instances.now('lamp')).toMatchObject({
        name: 'lamp.state',
        flag: 'available',
        state: 'lamp',
        payload: {},
      });
      await bench.submit('bell', { state: 'bell' });
      expect((await instances.list()).sort()).toEqual(['bell', 'lamp']);
      expect(await instances.failed()).toEqual([]);
    });

    test('of many of one name at once one is there', async () => {
      const { instances, history } = (await Bench.of(make)).store;
      const all = await Promise.all(
        LETTERS.map((state) => instances.submit('one.state', bytesOf({ state }))),
      );
      expect(all.filter((one) => one === 'submitted')).toHaveLength(1);
      expect(all.filter((one) => one === 'name taken')).toHaveLength(LETTERS.length - 1);
      const [step] = await history.steps('one');
      expect(step?.state).toBe(LETTERS[all.indexOf('submitted')]);
    });

    test('are known when they are done, and their names are taken for ever', async () => {
      const bench = await Bench.of(make);
      const { instances } = bench.store;
      await bench.submit('one', { state: 'count', payload: { left: 0 } });
      const ant = await bench.open('ant');
      await bench.workOff(ant);
      expect(await instances.now('one')).toMatchObject({ flag: 'done', output: 'ant' });
      expect(await instances.list()).toEqual(['one']);
      const again = bytesOf({ state: 'count', payload: { left: 0 } });
      expect(await instances.submit('one.state', again)).toBe('there already');
      expect(await instances.submit('one.state', bytesOf(LAMP))).toBe('name taken');
      expect((await ant.snapshot()).tasks.size).toBe(0);
    });

    test.each([
      ['lamp', '{"state":"lamp"}'],
      ['.lamp.state', '{"state":"lamp"}'],
      ['a/b.state', '{"state":"lamp"}'],
      ['a\ud800.state', '{"state":"lamp"}'],
      ['lamp.state', '{"state":"lamp","join":{"__proto__":null}}'],
      [`${LONG}.state`, '{"state":"lamp"}'],
      ['lamp.state', ''],
      ['lamp.state', '{"state":'],
      ['lamp.state', '{"state":"lamp","x":1}'],
      ['lamp.state', '{"payload":1}'],
    ])('are refused: %s, %s', async (name, text) => {
      const { instances } = (await Bench.of(make)).store;
      await expect(instances.submit(name, bytesOf(text))).rejects.toMatchObject({
        code: 'bad-state',
      });
      expect(await instances.list()).toEqual([]);
    });

    test('that have failed are available again when they are asked for', async () => {
      const bench = await Bench.of(make);
      const { instances } = bench.store;
      const name = await bench.submit('one', { state: 'nothing' });
      expect(await instances.retry(name)).toBe(false);
      expect(await instances.retry('other.state')).toBe(false);
      const ant = await bench.open('ant');
      await bench.putAside(ant, name);
      expect(await instances.failed()).toEqual([name]);
      expect(await instances.now('one')).toMatchObject({ flag: 'failed', reason: 'no such thing' });
      expect((await ant.snapshot()).tasks.size).toBe(0);
      expect(await instances.retry(name)).toBe(true);
      expect(await instances.retry(name)).toBe(false);
      expect(await instances.failed()).toEqual([]);
      expect((await ant.snapshot()).tasks.names).toEqual([name]);
      expect(await ant.claim(name, OPEN)).toBe('ours');
      expect(await ant.readState(name)).toMatchObject({ kind: 'text', attempts: [] });
      await bench.settle(ant, [newStep(name, { kind: 'commit', record: undefined })]);
      expect(await instances.retry(name)).toBe(false);
    });
  });

  describe('history', () => {
    test('of nobody is empty', async () => {
      expect(await (await Bench.of(make)).store.history.steps('nobody')).toEqual([]);
    });

    test('says where each step is, who made it, and when', async () => {
      const bench = await Bench.of(make);
      const { history, instances } = bench.store;
      await bench.submit('lamp', { ...LAMP, payload: { a: 1 } });
      const ant = await bench.open('ant');
      expect(await bench.chain('lamp')).toEqual(['lamp available']);
      await bench.sent('lamp', 'a', { originator: 'me' });
      const steps = await bench.take(ant);
      expect(await bench.chain('lamp')).toEqual(['lamp in progress']);
      expect(await instances.now('lamp')).toMatchObject({ worker: 'ant', flag: 'in progress' });
      await bench.settle(ant, steps);
      await bench.workOff(ant);
      expect(await bench.chain('lamp')).toEqual(['lamp done', 'on waiting']);
      const [first, second] = await history.steps('lamp');
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
      expect(await instances.now('lamp')).toEqual(second);
    });

    test('of a step without a record is what its worker noted', async () => {
      const bench = await Bench.of(make);
      const name = await bench.submit('one', { state: 'count', payload: { left: 0 } });
      const ant = await bench.open('ant');
      expect(await ant.claim(name, OPEN)).toBe('ours');
      await bench.settle(ant, [newStep(name, { kind: 'commit', record: undefined })]);
      const started = ant.stamp();
      const { session, worker } = ant.token;
      const entry = { started, duration: 12, state: name, machine: 'count', worker, session };
      await ant.journal([{ ...entry, attempt: 1, result: 'done' }]);
      expect(await bench.store.history.steps('one')).toMatchObject([
        { flag: 'done', worker: 'ant', started, duration: 12, output: undefined },
      ]);
    });
  });
}
