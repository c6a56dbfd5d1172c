/** Workers go on through failures of their server; the history checker judges each run. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createWorker, done, machine, next, type Machine } from '../../../src/index.ts';
import type { Engine, EventResult, InstanceStep } from '../../../src/engine/engine.ts';
import { newState } from '../../../src/testing/bench.ts';
import { PostgresConnection, targetOf } from '../../../src/postgres/connection.ts';
import { freshUrl, open } from '../bench.ts';
import { startPostgres, type Server } from '../servers.ts';
import { findingsOf } from './history-checker.ts';

const LEASE_MS = 3000;
const CHAINS = 60;
const STEPS = 12;
const LAMPS = 5;
const PRESSES = 30;

const MACHINES: readonly Machine[] = [
  machine({
    name: 'chain',
    activities: {
      chain: ({ payload }) => {
        const { left } = payload as { readonly left: number };
        return left > 1 ? next('chain', { left: left - 1 }) : done();
      },
    },
  }),
  machine({
    name: 'lamp',
    states: ['off', 'on'],
    events: ['press'],
    initial: 'off',
    table: { off: { press: 'on' }, on: { press: 'off' } },
  }),
];

let server: Server;
beforeEach(async () => {
  server = await startPostgres();
});
afterEach(() => server[Symbol.asyncDispose]());

/** Repeats a call of a client, which may be repeated, until it is acknowledged. */
async function insist<Result>(call: () => Promise<Result>): Promise<Result> {
  for (;;) {
    try {
      return await call();
    } catch {
      await new Promise((wake) => setTimeout(wake, 50));
    }
  }
}

/** Two workers get through chains and events while `fail` is called again and again; resolves with broken promises. */
async function runThrough(url: string, fail: (round: number) => Promise<void>): Promise<string[]> {
  await using first = await open(url, LEASE_MS);
  await using second = await open(url, LEASE_MS);
  await using client = await open(url, LEASE_MS);
  const workers = [first, second].map(({ engine }, index) =>
    createWorker(engine, { machines: MACHINES, name: `w${index}`, concurrency: 5 }),
  );
  for (const worker of workers) await worker.start();
  const chains = new Map(Array.from({ length: CHAINS }, (_, index) => [`chain${index}`, STEPS]));
  const lamps = Array.from({ length: LAMPS }, (_, index) => `lamp${index}`);
  const events = new Map<string, string>();
  const over = new AbortController();
  const failing = (async () => {
    for (let round = 0; !over.signal.aborted; round += 1) await fail(round);
  })();
  const { engine } = client;
  for (const name of lamps) {
    await insist(() => engine.submit([newState(name, { state: 'off', machine: 'lamp' })]));
  }
  for (const [name, left] of chains) {
    await insist(() => engine.submit([newState(name, { state: 'chain', payload: { left } })]));
  }
  for (let press = 0; press < PRESSES; press += 1) {
    const batch = lamps.map((to) => ({ to, id: `${to} ${press}`, file: { event: 'press' } }));
    await insist(() => engine.send(batch));
    for (const { id, to } of batch) events.set(id, to);
  }
  const results = new Map<string, EventResult | undefined>();
  for (const id of events.keys()) {
    await insist(async () => {
      const result = await engine.eventResult(id);
      if (result === undefined) throw new Error('it is pending');
      results.set(id, result);
    });
  }
  await insist(async () => {
    if ((await engine.counts()).statuses.done < CHAINS)
      throw new Error('not all chains have ended');
  });
  over.abort();
  await failing;
  for (const worker of workers) await worker.stop();
  const histories = new Map<string, InstanceStep[]>();
  for (const name of [...chains.keys(), ...lamps]) {
    histories.set(name, await insist(() => engine.history(name)));
  }
  return [
    ...findingsOf({ chains, events, histories, results }),
    ...(await countsDiffer(engine, CHAINS, LAMPS)),
  ];
}

/** The counts are kept beside the instances: they must be those of the instances. */
async function countsDiffer(engine: Engine, chains: number, lamps: number): Promise<string[]> {
  const { done: over, waiting, ...others } = (await engine.counts()).statuses;
  const isRight =
    over === chains && waiting === lamps && Object.values(others).every((n) => n === 0);
  return isRight
    ? []
    : [`counted ${over} done and ${waiting} waiting, and ${JSON.stringify(others)}`];
}

const pause = (ms: number): Promise<void> => new Promise((wake) => setTimeout(wake, ms));

test('connections that the server ends, again and again', async () => {
  const url = await freshUrl(server);
  const admin = await PostgresConnection.open(targetOf(url));
  const cut = `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'flockwork' and pid <> pg_backend_pid()`;
  const findings = await runThrough(url, async () => {
    await admin.query(cut).catch(() => undefined);
    await pause(20 + 80 * Math.random());
  });
  await admin.close();
  expect(findings).toEqual([]);
});

test('a server that is killed in the middle, and started again', async () => {
  const url = await freshUrl(server);
  const findings = await runThrough(url, async (round) => {
    await pause(300);
    if (round >= 3) return;
    await server.kill();
    await pause(300 * round);
    await server.restart();
  });
  expect(findings).toEqual([]);
});
