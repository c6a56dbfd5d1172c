/** Many events for many instances: each has exactly one outcome, even if workers are killed. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
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

/** Lists `events/` only when the last known event is gone. */
function overIn(fleet: Fleet): () => boolean {
  let known: string | undefined;
  return () => {
    if (known !== undefined && existsSync(join(fleet.dir, 'events', known))) return false;
    known = fleet.list('events').at(-1);
    return known === undefined && fleet.list('in_progress').length === 0;
  };
}

test.each([
  ['without kills', false],
  ['with a worker killed every two seconds', true],
])('each of seven events for ten thousand instances has one outcome, %s', async (_, kills) => {
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
  let [deaths, killed] = [0, performance.now()];
  const isOver = overIn(fleet);
  await fleet.until(
    'every event has an outcome',
    () => {
      if (kills && performance.now() - killed > 2000) {
        const victim = deaths % workers.length;
        workers[victim]!.kill('SIGKILL');
        deaths += 1;
        workers[victim] = fleet.worker(`heir-${deaths}`, flags);
        killed = performance.now();
      }
      return isOver();
    },
    600_000,
  );
  const seconds = (performance.now() - began) / 1000;
  const events = INSTANCES * STEPS.length;
  console.log(
    `${events} events in ${seconds.toFixed(1)} s: ${Math.round(events / seconds)}/s, ${deaths} killed`,
  );
  for (const worker of workers) worker.kill('SIGTERM');
  await Promise.all(workers.map((worker) => worker.ended));
  const wrong = [...histories(fleet)].filter(([, lines]) => lines.join() !== HISTORY.join());
  expect(wrong).toEqual([]);
  // One for each event.
  expect(readdirSync(join(fleet.dir, 'outcomes')).length).toBeGreaterThanOrEqual(events);
});
