/** Many events for many instances: each has exactly one outcome, although workers are killed. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { formatEvent, formatEventName, type EventOutcome } from '../../src/machine/event.ts';
import { parseCommitRecord } from '../../src/machine/record.ts';
import { Fleet } from '../fleet.ts';

const MACHINES = resolve(import.meta.dirname, '../../examples/orders');
const INSTANCES = 10_000;
const STEPS: readonly (readonly [event: string, outcome: EventOutcome, to: string])[] = [
  ['pause', 'Ok', 'waiting'],
  ['accept', 'Ok', 'pending'],
  ['accept', 'EventNotAllowed', 'pending'],
  ['ship', 'Ok', 'shipped'],
  ['deliver', 'Ok', 'delivered'],
  ['sign', 'Ok', 'completed'],
  ['close', 'Ok', 'closed'],
];
const EVENTS = INSTANCES * STEPS.length;
/** Each after as many events. */
const KILLS = 8;
const COUNT_INTERVAL_MS = 300;
const HISTORY = STEPS.map(([event, outcome, to]) => `${event}: ${outcome}, ${to}`);
/** Time of the first event. */
const FIRST_EVENT_MS = Date.parse('2026-01-01T00:00:00Z');

const orders = Array.from({ length: INSTANCES }, (_, index) => `order-${index}`);

function submit(fleet: Fleet): void {
  for (const order of orders) {
    fleet.put(`${order}.state`, { machine: 'orders:v1', state: 'start' });
  }
}

function send(fleet: Fleet): void {
  for (const [step, [event]] of STEPS.entries()) {
    for (const [index, to] of orders.entries()) {
      const time = new Date(FIRST_EVENT_MS + step * INSTANCES + index).toISOString();
      const name = formatEventName({ time, isDelayed: false, id: `${to}.${step}`, to });
      writeFileSync(join(fleet.dir, 'events', name), formatEvent({ event }));
    }
  }
}

/** Outcomes of the events of each instance, in the order of its states. */
function histories(fleet: Fleet): Map<string, string[]> {
  const told = new Map<string, string[]>();
  const directories = ['done'];
  for (const shard of fleet.list('archive')) directories.push(`archive/${shard}/done`);
  const flags = new Map<string, string>();
  for (const directory of directories) {
    for (const name of fleet.list(directory)) flags.set(name, join(fleet.dir, directory, name));
  }
  for (const order of orders) {
    const lines: string[] = [];
    for (let step = 0; ; step += 1) {
      const name = step === 0 ? `${order}.state` : `${order}.state-${step}`;
      const path = flags.get(name);
      if (path === undefined) break;
      for (const one of parseCommitRecord(readFileSync(path, 'utf8'), name)?.events ?? []) {
        lines.push(`${one.event}: ${one.outcome}, ${one.to ?? one.from}`);
      }
    }
    told.set(order, lines);
  }
  return told;
}

/** Counts the events without an outcome, anew at most every COUNT_INTERVAL_MS: the directory is large. */
function countLeft(fleet: Fleet): () => number {
  let [left, counted] = [EVENTS, performance.now()];
  return () => {
    if (performance.now() - counted > COUNT_INTERVAL_MS) {
      left = fleet.list('events').length;
      counted = performance.now();
    }
    return left;
  };
}

test('each of seven events for ten thousand instances has one outcome, with workers killed in between', async () => {
  await using fleet = new Fleet();
  const flags = ['--machines', MACHINES, '--watch', '--lease', '2s'];
  const first = fleet.worker('first', flags);
  await fleet.until('the volume exists', () => fleet.list('workers').length === 1);
  first.kill('SIGTERM');
  await first.ended;
  submit(fleet);
  send(fleet);
  const began = performance.now();
  const workers = ['ant', 'bee'].map((name) => fleet.worker(name, flags));
  let deaths = 0;
  const left = countLeft(fleet);
  await fleet.until(
    'every event has an outcome',
    () => {
      if (deaths < KILLS && left() < EVENTS * (1 - (deaths + 1) / (KILLS + 1))) {
        const victim = deaths % workers.length;
        workers[victim]!.kill('SIGKILL');
        deaths += 1;
        workers[victim] = fleet.worker(`heir-${deaths}`, flags);
      }
      return left() === 0 && fleet.list('in_progress').length === 0;
    },
    600_000,
  );
  const seconds = (performance.now() - began) / 1000;
  console.log(
    `${EVENTS} events in ${seconds.toFixed(1)} s: ${Math.round(EVENTS / seconds)}/s, ${deaths} killed`,
  );
  for (const worker of workers) worker.kill('SIGTERM');
  await Promise.all(workers.map((worker) => worker.ended));
  const wrong = [...histories(fleet)].filter(([, lines]) => lines.join() !== HISTORY.join());
  expect(wrong).toEqual([]);
  expect(deaths).toBeGreaterThan(KILLS / 2);
  // One for each event.
  expect(readdirSync(join(fleet.dir, 'outcomes')).length).toBeGreaterThanOrEqual(EVENTS);
});
