/** What an engine on a database promises when calls race, replies are lost and names are odd. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { initEngine, openEngine } from '../../src/index.ts';
import { commitOf, Exercise, newState } from '../../src/testing/bench.ts';
import { emittedEvent } from '../../src/machine/event.ts';
import type { CommitRecord } from '../../src/machine/record.ts';
import { PostgresConnection, targetOf } from '../../src/postgres/connection.ts';
import { freshUrl, losing, open } from './bench.ts';
import { startPostgres, type Server } from './servers.ts';

/** Longer than a test: nothing expires. */
const LEASE_MS = 600_000;
const COUNT = { state: 'count', payload: { left: 1 } };
let server: Server;

beforeAll(async () => {
  server = await startPostgres(['fsync=off']);
});
afterAll(() => server[Symbol.asyncDispose]());

describe.concurrent('PostgreSQL', () => {
  test('hands work to two sessions that take at once', async () => {
    const url = await freshUrl(server);
    await using one = await open(url, LEASE_MS);
    await using other = await open(url, LEASE_MS);
    const exercises = [one, other].map(({ bench }) => new Exercise(bench));
    const states = Array.from({ length: 200 }, (_, index) => newState(`i${index}`, COUNT));
    await one.engine.submit(states);
    const sessions = await Promise.all(
      exercises.map((exercise, index) => exercise.join(`w${index}`, { stays: true })),
    );
    const { signal } = new AbortController();
    const taken = await Promise.all(sessions.map((session) => session.take(100, signal)));
    const names = taken.flatMap((tasks) =>
      tasks === 'drained' ? [] : tasks.map(({ name }) => name),
    );
    expect(taken.map(({ length }) => length)).toEqual([100, 100]);
    expect(new Set(names).size).toBe(200);
  });

  test('a settlement whose reply was lost is settled once, and says so', async () => {
    await using opened = await open(await freshUrl(server), LEASE_MS, (database) =>
      losing(database, 'settle', 3),
    );
    const exercise = new Exercise(opened.bench);
    for (const name of ['a', 'b', 'c']) await exercise.submit(name, COUNT);
    const session = await exercise.join('ant', { stays: true });
    const tasks = await exercise.take(session, 3);
    const now = session.now();
    const [a, b, c] = tasks.toSorted((x, y) => (x.name < y.name ? -1 : 1));
    const attempt = {
      attempt: 1,
      session: b!.session,
      worker: 'ant',
      started: now,
      ended: now,
      result: 'failed',
    } as const;
    const settlements = [
      commitOf(a!, now, { next: COUNT }),
      { hold: b!, outcome: { kind: 'retry', attempt: { ...attempt, notBefore: now } } },
      commitOf(c!, now, { output: 1 }),
    ] as const;
    for (let lost = 0; lost < 3; lost += 1) {
      await expect(session.settle(settlements)).rejects.toThrow('the reply is lost');
    }
    expect(await session.settle(settlements)).toEqual(['settled', 'settled', 'settled']);
    expect(await exercise.chain('a')).toEqual(['count done', 'count available']);
    expect(await exercise.chain('c')).toEqual(['count done']);
    expect((await opened.engine.get('b'))!.attempts).toHaveLength(1);
  });

  test('a state whose hand-out was lost is handed out again at once, without an attempt', async () => {
    await using opened = await open(await freshUrl(server), LEASE_MS, (database) =>
      losing(database, 'take', 2),
    );
    const exercise = new Exercise(opened.bench);
    await exercise.submit('a', COUNT);
    const session = await exercise.join('ant', { stays: true });
    const [task] = await exercise.take(session, 1);
    expect(task).toMatchObject({ name: 'a.state', attempts: [] });
    expect((await opened.engine.counts()).statuses).toMatchObject({
      'in progress': 1,
      available: 0,
    });
  });

  test('a hold that has expired settles nothing, also if its own session has the state again', async () => {
    await using opened = await open(await freshUrl(server), 400);
    const exercise = new Exercise(opened.bench);
    await exercise.submit('a', COUNT);
    const session = await exercise.join('ant', { stays: true });
    const [before] = await exercise.take(session, 1);
    opened.bench.expire(session, [before!]);
    const [again] = await exercise.take(session, 1);
    expect(again!.attempts).toMatchObject([{ result: 'lost', worker: 'ant' }]);
    const now = session.now();
    expect(await session.settle([commitOf(before!, now, { output: 'old' })])).toEqual(['lost']);
    expect(await session.settle([commitOf(again!, now, { output: 'new' })])).toEqual(['settled']);
    expect(await opened.engine.get('a')).toMatchObject({ output: 'new' });
  });

  test('events and state files whose reply was lost are stored once', async () => {
    const url = await freshUrl(server);
    await using sending = await open(url, LEASE_MS, (database) => losing(database, 'send', 1));
    await using submitting = await open(url, LEASE_MS, (database) => losing(database, 'submit', 1));
    const state = newState('lamp', { state: 'lamp' });
    await expect(submitting.engine.submit([state])).rejects.toThrow('lost');
    expect(await submitting.engine.submit([state])).toEqual(['there already']);
    const event = { to: 'lamp', id: 'on', file: { event: 'press' } };
    await expect(sending.engine.send([event])).rejects.toThrow('lost');
    const [sent] = await sending.engine.send([event]);
    const exercise = new Exercise(sending.bench);
    const session = await exercise.join('ant', { stays: true });
    const [task] = await exercise.take(session, 1, 0);
    expect(task!.events.map(({ file }) => ({ kind: 'sent', name: file }))).toEqual([sent]);
  });

  test('of two instances that look at each other one moves first, and the other decides again', async () => {
    await using opened = await open(await freshUrl(server), LEASE_MS);
    const exercise = new Exercise(opened.bench);
    const names = ['left', 'right'];
    for (const name of names) await exercise.submit(name, COUNT);
    for (const atOnce of [true, false]) {
      const sessions = await Promise.all(
        names.map((name) => exercise.join(name, { stays: true, observes: names })),
      );
      const held = [
        ...(await exercise.take(sessions[0]!, 1)),
        ...(await exercise.take(sessions[atOnce ? 0 : 1]!, 1)),
      ];
      const settlements = held.map((task) => {
        const other = task.name.startsWith('left') ? 'right' : 'left';
        expect(task.observe(other)).toBeDefined();
        return commitOf(task, sessions[0]!.now(), { next: COUNT, readSet: [other] });
      });
      const settled = atOnce
        ? await sessions[0]!.settle(settlements)
        : (
            await Promise.all(settlements.map((one, index) => sessions[index]!.settle([one])))
          ).flat();
      expect(settled.toSorted()).toEqual(['outdated', 'settled']);
      for (const session of sessions) await exercise.until(session.close(0));
    }
  });

  test('an event that is sent while its instance is settled is not forgotten', async () => {
    await using opened = await open(await freshUrl(server), LEASE_MS);
    const exercise = new Exercise(opened.bench);
    await exercise.submit('lamp', { state: 'lamp' });
    const session = await exercise.join('ant', { stays: true });
    let [task] = await exercise.take(session, 1, 0);
    for (let round = 0; round < 40; round += 1) {
      const applied = task!.events.map(
        ({ file, id }) => ({ file, id, outcome: 'Ok', from: 'off' }) as const,
      );
      const more = { next: { state: 'lamp' }, events: applied, rests: true };
      const [settled] = await Promise.all([
        session.settle([commitOf(task!, session.now(), more)]),
        opened.engine.send([{ to: 'lamp', id: `e${round}`, file: { event: 'press' } }]),
      ]);
      expect(settled).toEqual(['settled']);
      [task] = await exercise.take(session, 1, 0);
      expect(task!.events.map(({ id }) => id)).toEqual([`e${round}`]);
    }
  });

  test('instances that send events to each other do not wait for each other for good', async () => {
    const url = await freshUrl(server);
    await using one = await open(url, LEASE_MS);
    await using other = await open(url, LEASE_MS);
    const exercises = [one, other].map(({ bench }) => new Exercise(bench));
    const names = Array.from({ length: 20 }, (_, index) => `i${index}`);
    await one.engine.submit(names.map((name) => newState(name, COUNT)));
    const sessions = await Promise.all(
      exercises.map((exercise, index) => exercise.join(`w${index}`, { stays: true })),
    );
    for (let round = 0; round < 10; round += 1) {
      const { signal } = new AbortController();
      const settled = await Promise.all(
        sessions.map(async (session) => {
          const tasks = await session.take(10, signal);
          if (tasks === 'drained') throw new Error('expected tasks');
          const settlements = tasks.map((task) => {
            const { hold, outcome } = commitOf(task, session.now(), { next: COUNT });
            const { record } = outcome as { readonly record: CommitRecord };
            const emit = names.map((to, index) =>
              emittedEvent({ to, event: 'press' }, index, record),
            );
            return { hold, outcome: { kind: 'commit', record: { ...record, emit } } } as const;
          });
          return session.settle(settlements);
        }),
      );
      expect(new Set(settled.flat())).toEqual(new Set(['settled']));
    }
  });

  test('keeps names and values that look like SQL', async () => {
    await using opened = await open(await freshUrl(server), LEASE_MS);
    const { engine } = opened;
    const names = [
      "'; drop table instance; --",
      '"quoted"',
      '$1',
      '$s',
      'back\\slash',
      '%_',
      'ünï 🦆',
    ];
    const file = { state: "it's; --", machine: 'count', payload: { text: '\u0000\'"$s' } };
    const results = await engine.submit(names.map((name) => newState(name, file)));
    expect(new Set(results)).toEqual(new Set(['submitted']));
    for (const name of names) {
      expect(await engine.get(name)).toMatchObject({ state: file.state, payload: file.payload });
      const { instances } = await engine.list({ prefix: name, state: file.state }, { limit: 9 });
      expect(instances.map(({ instance }) => instance)).toEqual([name]);
      const id = `id of ${name}`;
      await engine.send([{ to: name, id, file: { event: name, details: file.payload } }]);
      expect(await engine.eventResult(id)).toBe(undefined);
    }
    const listed = await engine.list({}, { limit: 99 });
    expect(listed.instances).toHaveLength(names.length);
  });

  test('keeps texts that a database cannot store as such', async () => {
    await using opened = await open(await freshUrl(server), LEASE_MS);
    const { engine } = opened;
    const exercise = new Exercise(opened.bench);
    const odd = 'nul \0, half \ud800';
    await exercise.submit('a', { state: odd, payload: odd });
    expect(await engine.get('a')).toMatchObject({ state: odd, payload: odd });
    await exercise.send('a', 'e', { event: odd, details: odd });
    const session = await exercise.join('ant', { stays: true });
    const [task] = await exercise.take(session, 1);
    const { hold, outcome } = commitOf(task!, session.now(), {
      next: { state: odd, payload: odd },
    });
    const { record } = outcome as { readonly record: CommitRecord };
    const file = '20260101T000000.000Z~e@a';
    const events = [{ file, id: 'e', event: odd, outcome: 'Ok', from: odd }] as const;
    const applied = { kind: 'commit', record: { ...record, events, output: odd } } as const;
    const settlement = { hold, outcome: applied, machine: odd };
    expect(await session.settle([settlement])).toEqual(['settled']);
    expect(await engine.get('a')).toMatchObject({ name: 'a.state-1', state: odd });
    expect(await engine.eventResult('e')).toMatchObject({ outcome: { event: odd } });
    const [tick] = await exercise.ticks(1);
    expect(tick).toMatchObject({ machine: odd, events: [{ event: odd }] });
    expect(await engine.list({ state: odd }, { limit: 9 })).toEqual({ instances: [] });
  });

  test('takes numbers of any size, or says which is too large', async () => {
    await using opened = await open(await freshUrl(server), LEASE_MS);
    const { engine } = opened;
    const large = newState('large', { ...COUNT, priority: 2 ** 53 - 1 });
    const small = newState('small', { ...COUNT, priority: -(2 ** 53) + 1 });
    expect(await engine.submit([small, large])).toEqual(['submitted', 'submitted']);
    const exercise = new Exercise(opened.bench);
    const session = await exercise.join('ant', { stays: true });
    const names = (await exercise.take(session, 2)).map(({ name }) => name);
    expect(names).toEqual(['large.state', 'small.state']);
    const far = { ...large, name: 'far.state-3000000000' };
    await expect(engine.submit([large, far])).rejects.toMatchObject({ code: 'bad-state' });
    expect(await engine.retry(['far.state-3000000000', 'large.state'])).toEqual([false, false]);
  });

  test('fails a state that cannot be read, and goes on', async () => {
    const url = await freshUrl(server);
    await using opened = await open(url, LEASE_MS);
    const exercise = new Exercise(opened.bench);
    for (const name of ['bad', 'good']) await exercise.submit(name, COUNT);
    const target = targetOf(url);
    const admin = await PostgresConnection.open(target);
    await admin.query(`update "${target.schema}".instance set body = '{' where instance = 'bad'`);
    await admin.close();
    const session = await exercise.join('ant', { stays: true });
    const tasks = await exercise.take(session, 1, 2);
    expect(tasks.map(({ name }) => name)).toEqual(['good.state']);
    expect(session.unreadable).toBe(1);
    await exercise.settle(session, commitOf(tasks[0]!, session.now()));
    await exercise.until(session.close(0));
    expect((await opened.engine.counts()).statuses).toMatchObject({ failed: 1, done: 1 });
    const bad = await opened.engine.get('bad');
    expect(bad).toMatchObject({ flag: 'failed', state: undefined });
    expect(bad!.reason).toContain('JSON');
    const placing = opened.engine.place('bad', { state: 'count' });
    await expect(placing).rejects.toMatchObject({ code: 'unreadable' });
  });

  test("a worker's user needs no right to create anything", async () => {
    const url = await freshUrl(server);
    const target = targetOf(url);
    const admin = await PostgresConnection.open(target);
    const s = `"${target.schema}"`;
    await admin.query(`create role hand login;
      grant usage on schema ${s} to hand;
      grant select, insert, update, delete on all tables in schema ${s} to hand;
      grant execute on all functions in schema ${s} to hand`);
    await admin.close();
    await using opened = await open(url.replace('//postgres@', '//hand@'), LEASE_MS);
    const exercise = new Exercise(opened.bench);
    await exercise.submit('a', COUNT);
    const session = await exercise.join('ant', { stays: true });
    const [task] = await exercise.take(session, 1);
    await exercise.settle(session, commitOf(task!, session.now()));
    await exercise.until(session.close(0));
    await opened.engine.reset({ states: ['a.state'] });
    expect(await exercise.chain('a')).toEqual(['count available']);
  });

  test('says what to do when it cannot begin', async () => {
    const codeOf = async (opening: Promise<unknown>): Promise<unknown> =>
      opening.then(
        () => 'opened',
        (error: { readonly code?: string }) => error.code,
      );
    expect(await codeOf(openEngine(`${server.url}?schema=none`))).toBe('no-schema');
    expect(await codeOf(openEngine('postgres://postgres@127.0.0.1:1/postgres'))).toBe('no-server');
    expect(await codeOf(openEngine(server.url.replace(/postgres$/, 'nowhere')))).toBe(
      'engine-refused',
    );
    expect(await codeOf(openEngine(server.url.replace('//postgres@', '//stranger:secret@')))).toBe(
      'engine-refused',
    );
    expect(await codeOf(initEngine('memory:'))).toBe('bad-engine');
    const url = await freshUrl(server);
    expect(await initEngine(url)).toBe('there already');
    const target = targetOf(url);
    const connection = await PostgresConnection.open(target);
    await connection.query(`update "${target.schema}".meta set version = 99`);
    await connection.close();
    const opening = openEngine(url);
    await expect(opening).rejects.toThrow('has version 99 of the tables');
    expect(await codeOf(opening)).toBe('bad-schema');
  });
});
