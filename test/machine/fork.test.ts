import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkAnswer, done, fork, wait, type Answer } from '../../src/machine/answer.ts';
import { applyJoinEvents, isOpen, outputsOf } from '../../src/machine/fork.ts';
import type { PendingEvent, EventBatch } from '../../src/machine/event-batch.ts';
import { commandAnswer } from '../../src/machine/command-result.ts';
import type { Json } from '../../src/machine/definition.ts';
import { parseEvent, parseEventName } from '../../src/machine/event.ts';
import { machine } from '../../src/machine/machine.ts';
import { branchName, originName, stateName } from '../../src/machine/name.ts';
import { createRegistry, resolveState } from '../../src/machine/registry.ts';
import { effectsOfAnswer, type StepEffects } from '../../src/machine/step-effects.ts';
import {
  byteLength,
  MAX_STATE_BYTES,
  parseStateFile,
  type Joins,
  type StateFile,
} from '../../src/machine/state-file.ts';

const FINISHED = '2026-11-25T23:49:16.007Z';
const ORDER = machine({
  name: 'order',
  activities: { order: () => done(), pack: () => done(), ship: () => done() },
});
const FILE: StateFile = { state: 'order', payload: { n: 1 }, priority: 2, 'x-a': 1 };

function effects(answer: Answer, file = FILE, name = 'o.state-3'): StepEffects | string {
  return effectsOfAnswer(answer, { machine: ORDER, name, file, state: 'order' }, FINISHED);
}

function led(answer: Answer, file?: StateFile, name?: string): StepEffects {
  const it = effects(answer, file, name);
  if (typeof it === 'string') throw new Error(it);
  return it;
}

function parsed(content: string): StateFile {
  const file = parseStateFile(new TextEncoder().encode(content));
  if (!file.ok) throw new Error(file.reason);
  return file.file;
}

const JOIN = { state: 'ship' };

describe('fork', () => {
  test('is a valid answer', () => {
    const answer = fork({ a: { state: 'pack', payload: 1, machine: 'box:2' } }, JOIN);
    expect(checkAnswer(answer)).toEqual(answer);
    const printed = '{"fork": {"a": {"state": "pack"}}, "join": {"state": "ship", "payload": 2}}';
    expect(commandAnswer(printed, 'on', 0)).toEqual(
      fork({ a: { state: 'pack' } }, { state: 'ship', payload: 2 }),
    );
    expect(commandAnswer('{"fork": 1, "join": 2}', undefined, 0)).toEqual(
      done({ fork: 1, join: 2 }),
    );
  });

  const branches = (count: number): Record<string, { state: string }> =>
    Object.fromEntries(
      Array.from({ length: count }, (_, index) => [`b${index}`, { state: 'pack' }]),
    );
  test.each([
    [undefined, JOIN, '1 to 1000 branches'],
    [[], JOIN, '1 to 1000 branches'],
    [{}, JOIN, '1 to 1000 branches'],
    [branches(1001), JOIN, '1 to 1000 branches'],
    [{ 'a~b': { state: 'pack' } }, JOIN, '"a~b" is not a valid branch'],
    [{ '': { state: 'pack' } }, JOIN, '"" is not a valid branch'],
    [{ ['x'.repeat(101)]: { state: 'pack' } }, JOIN, 'is not a valid branch'],
    [{ a: 'pack' }, JOIN, 'branch a must be { state, payload?, machine? }, got "pack"'],
    [{ a: { state: '' } }, JOIN, 'branch a must be'],
    [{ a: { state: 'pack', machine: 'a:b:c' } }, JOIN, 'branch a must be'],
    [{ a: { state: 'pack', paylod: 1 } }, JOIN, 'branch a must be'],
    [{ a: { state: 'pack', payload: 1n } }, JOIN, 'payload of branch a is a bigint'],
    [
      { a: { state: 'pack' } },
      undefined,
      'join must be { state, payload?, machine? }, got undefined',
    ],
    [{ a: { state: 'pack' } }, { state: 'ship', machine: 'box' }, 'join must not name a machine'],
    [
      {
        a: { state: 'a', payload: 'x'.repeat(600_000) },
        b: { state: 'b', payload: 'x'.repeat(600_000) },
      },
      JOIN,
      'fork is larger',
    ],
  ])('refuses %o', (wrong, join, words) => {
    expect(() => checkAnswer(fork(wrong as never, join as never))).toThrow(words);
  });

  test.each([
    [fork({ 'a/b': { state: 'pack' } }, JOIN), '"a/b" is not a valid branch name'],
    [
      fork({ a: { state: 'pack' } }, { state: 'sip' }),
      'join: machine order has no activity in state "sip"',
    ],
    [fork({ a: { state: 'pak' } }, JOIN), 'branch a: machine order has no activity in state "pak"'],
    [fork({ a: { state: 'pack' } }, { ...JOIN, payload: 'x'.repeat(1_048_300) }), 'no room'],
  ])('fails the attempt if it cannot be applied', (answer, words) => {
    expect(effects(answer)).toContain(words);
  });

  test('names its branches after the step, and records their fork', () => {
    const {
      branches: begun,
      next,
      rests,
      emit,
    } = led(fork({ a: { state: 'pack' }, b: { state: 'box', machine: 'box', payload: 7 } }, JOIN));
    expect([rests, emit]).toEqual([true, []]);
    expect(begun!.map(({ name }) => name)).toEqual(['o~3~a.state', 'o~3~b.state']);
    const [a, b] = begun!.map(({ content }) => parsed(content));
    const kept = { priority: 2, 'x-a': 1 };
    const room = expect.any(Number) as number;
    const branch = { of: 'o', name: 'a', room };
    expect(a).toEqual({ ...kept, state: 'pack', machine: 'order', payload: { n: 1 }, branch });
    expect(b).toMatchObject({ state: 'box', machine: 'box', payload: 7 });
    expect(next!.name).toBe('o.state-4');
    expect(parsed(next!.content)).toEqual({
      ...kept,
      state: 'ship',
      machine: 'order',
      payload: { n: 1 },
      join: { a: { instance: 'o~3~a' }, b: { instance: 'o~3~b' } },
    });
  });

  test('of a branch: keeps its own fork, and starts branches of its own', () => {
    const branch = { of: 'o', name: 'a', room: 1000 };
    const { branches: begun, next } = led(
      fork({ c: { state: 'pack' } }, JOIN),
      { ...FILE, branch },
      'o~3~a.state-1',
    );
    expect(parsed(next!.content)).toMatchObject({ branch, join: { c: { instance: 'o~3~a~1~c' } } });
    expect(parsed(begun![0]!.content).branch).toMatchObject({ of: 'o~3~a', name: 'c' });
  });

  test('reserves room in the join for all outputs', () => {
    const names = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 30 }), {
      minLength: 1,
      maxLength: 40,
    });
    fc.assert(
      fc.property(names, fc.nat(1_040_000), (all, size) => {
        const answer = fork(
          Object.fromEntries(all.map((name) => [name, { state: 'pack', payload: 0 }])),
          {
            state: 'ship',
            payload: 'x'.repeat(size),
          },
        );
        const it = effects(answer);
        if (typeof it === 'string') return;
        const { join, ...rest } = parsed(it.next!.content);
        const ended = Object.entries(join!).map(([name, { instance }], index) => {
          const { room } = parsed(it.branches![index]!.content).branch!;
          const output = 'x'.repeat(room - 2);
          return [name, { instance, ended: stateName(instance, 12), output }];
        });
        const full = { ...rest, join: Object.fromEntries(ended) as Joins };
        expect(byteLength(JSON.stringify(full))).toBeLessThanOrEqual(MAX_STATE_BYTES);
      }),
      { numRuns: 30 },
    );
  });
});

describe('the names of branches', () => {
  test.each([
    ['o~3~a.state', 'o.state-3'],
    ['o~0~a.state', 'o.state'],
    ['o~3~a~0~b.state', 'o~3~a.state'],
    ['o~3~a.state-1', 'o~3~a.state'],
    ['a~b.state', undefined],
    ['o~03~a.state', undefined],
    ['~3~a.state', undefined],
    ['o~3~.state', undefined],
  ])('the origin of %s is %s', (name, origin) => expect(originName(name)).toBe(origin));

  test('lead to the step that started them, at any depth', () => {
    const part = fc.stringMatching(/^[a-z][a-z@+.]{0,9}[a-z]$/);
    fc.assert(
      fc.property(part, fc.array(fc.tuple(fc.nat(99), part)), (first, forks) => {
        let name = first;
        for (const [step, branch] of forks) {
          const begun = branchName(name, step, branch);
          expect(originName(stateName(begun, 0))).toBe(stateName(name, step));
          const event = `20261125T234916.007Z~id@${begun}`;
          expect(parseEventName(event)?.to).toBe(begun);
          name = begun;
        }
      }),
    );
  });
});

describe('the end of a branch', () => {
  const OF = { ...FILE, branch: { of: 'o', name: 'a', room: 20 } };
  const told = ({ emit }: StepEffects): unknown[] =>
    emit.map(({ name, content }) => [parseEventName(name)?.to, parseEvent(content)]);

  test.each([
    [undefined, {}],
    [{ box: 1 }, { details: { box: 1 } }],
    [null, { details: null }],
  ])('with the output %j sends an event', (output: Json | undefined, more) => {
    expect(told(led(done(output), OF, 'o~3~a.state-2'))).toEqual([
      [
        'o',
        {
          event: 'branch ended',
          originator: 'o~3~a.state-2',
          timestamp: FINISHED,
          branch: { name: 'a', ended: 'o~3~a.state-2' },
          ...more,
        },
      ],
    ]);
  });

  test('of an instance that is not a branch sends nothing', () =>
    expect(told(led(done(1)))).toEqual([]));

  test('fails the attempt if the output is larger than its room', () => {
    expect(effects(done('x'.repeat(19)), OF)).toContain('larger than 20 bytes');
    const deep = JSON.parse('['.repeat(199) + ']'.repeat(199)) as Json;
    const room = { ...OF, branch: { ...OF.branch, room: 1000 } };
    expect(effects(done(deep), room)).toContain('200 levels');
  });
});

describe('a join', () => {
  const NAME = 'o.state-4';
  const BEGUN: Joins = { a: { instance: 'o~3~a' }, b: { instance: 'o~3~b' } };
  let count = 0;
  const pending = (content: object | string, id = `e${(count += 1)}`): PendingEvent => ({
    file: `20261125T234916.007Z~${id}@o`,
    id,
    content: typeof content === 'string' ? content : JSON.stringify(content),
  });
  const end = (name: string, ended: string, more: object = {}): PendingEvent =>
    pending({ event: 'branch ended', branch: { name, ended }, ...more });

  function join(events: readonly PendingEvent[], before = BEGUN): [EventBatch, StateFile] {
    const file: StateFile = { ...FILE, state: 'ship', machine: 'order', join: before };
    const batch = applyJoinEvents({
      machine: ORDER,
      instance: 'o',
      name: NAME,
      file,
      state: 'ship',
      events,
      sensor: () => undefined,
      finished: FINISHED,
    });
    return [batch, parsed(batch.next.content)];
  }

  test('refuses as many events per step as fit into a record', () => {
    const large = { event: 'x', originator: 'o'.repeat(900_000) };
    const [{ events, rests }] = join([pending(large), pending(large), pending(large)]);
    expect(events).toMatchObject([{ outcome: 'EventNotAllowed' }]);
    expect(rests).toBe(true);
  });

  test('records the outputs of its branches one by one', () => {
    const [one, file] = join([end('b', 'o~3~b.state', { details: 5 })]);
    expect(one).toMatchObject({ rests: true, emit: [], next: { name: 'o.state-5' } });
    expect(one.events).toMatchObject([{ outcome: 'Ok', from: 'ship', to: 'ship' }]);
    const b = { instance: 'o~3~b', ended: 'o~3~b.state', output: 5 };
    expect(file).toMatchObject({ ...FILE, state: 'ship', join: { ...BEGUN, b } });
    const [last, joined] = join([end('a', 'o~3~a.state-9')], file.join);
    expect(last.rests).toBe(false);
    expect(outputsOf(joined.join)).toEqual({ a: null, b: 5 });
  });

  test('skips a second file of an event whose id was lost with the content of one', () => {
    const [first, second] = [pending(''), pending({ event: 'go' })];
    const [{ events }] = join([first, { ...second, file: first.file.replace('916', '917') }]);
    expect(events).toMatchObject([{ id: first.id, outcome: 'GenericError' }]);
  });

  test('leaves events after the last end to the state in which it continues', () => {
    const all = [end('a', 'o~3~a.state'), end('b', 'o~3~b.state'), pending({ event: 'go' })];
    const [{ events }] = join(all);
    expect(events).toHaveLength(2);
  });

  test.each<[string, PendingEvent, string]>([
    ['any event', pending({ event: 'go' }), 'the instance waits for its branches'],
    ['an unknown branch', end('c', 'o~3~c.state'), 'no branch c'],
    ['one of Object’s', end('constructor', 'o~3~c.state'), 'no branch constructor'],
    ['one of an earlier fork', end('a', 'o~1~a.state'), 'no branch a that ends with o~1~a.state'],
    ['another instance', end('a', 'o~3~b.state'), 'no branch a'],
    ['what is no state', end('a', 'rubbish'), 'no branch a'],
  ])('refuses %s', (_what, event, reason) => {
    const [{ events, rests }, file] = join([event]);
    expect(events).toMatchObject([
      { outcome: 'EventNotAllowed', reason: expect.stringContaining(reason) as string },
    ]);
    expect([rests, file.join]).toEqual([true, BEGUN]);
  });

  test('refuses invalid events and a second end of a branch', () => {
    const one = end('a', 'o~3~a.state', { details: 1 });
    const all = [pending('rubbish'), one, one, end('a', 'o~3~a.state', { details: 2 })];
    const [{ events }, file] = join(all);
    expect(events.map(({ outcome }) => outcome)).toEqual(['GenericError', 'Ok', 'EventNotAllowed']);
    expect(file.join!['a']!.output).toBe(1);
  });

  test('accepts a branch named __proto__', () => {
    const own = JSON.parse('{"__proto__": {"state": "pack"}}') as Record<string, { state: string }>;
    const { branches, next } = led(checkAnswer(fork(own, JOIN)));
    expect(branches!.map(({ name }) => name)).toEqual(['o~3~__proto__.state']);
    const [, file] = join([end('__proto__', 'o~3~__proto__.state')], parsed(next!.content).join);
    expect(isOpen(file.join)).toBe(false);
    expect(Object.keys(outputsOf(file.join))).toEqual(['__proto__']);
  });

  test('waits while a branch is open, and then runs', () => {
    const registry = createRegistry([ORDER]);
    const ended = { ...BEGUN, a: { instance: 'o~3~a', ended: 'o~3~a.state' } };
    const kindOf = (file: Partial<StateFile>): unknown =>
      resolveState(registry, { ...FILE, state: 'ship', machine: 'order', ...file });
    expect(kindOf({ join: ended })).toMatchObject({ kind: 'waiting' });
    const all = { ...ended, b: { instance: 'o~3~b', ended: 'o~3~b.state' } };
    expect(kindOf({ join: all })).toMatchObject({ kind: 'runnable' });
  });

  test('is gone after the next step', () => {
    const joined = { ...FILE, state: 'ship', join: { a: { instance: 'x', ended: 'x.state' } } };
    const again = led(fork({ c: { state: 'pack' } }, JOIN), joined);
    expect(Object.keys(parsed(again.next!.content).join!)).toEqual(['c']);
    expect(parsed(again.branches![0]!.content).join).toBeUndefined();
    expect(effects(wait(), joined)).toContain('has no events');
  });
});
