/** Events that are dropped into `events/` as files, with real workers. */
import { appendFileSync, copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Fleet, run } from '../fleet.ts';

const ORDERS = join(import.meta.dirname, '../../examples/orders/orders.yaml');

test('a file copied to events/ is an event; an invalid one stays, and status prints why', async () => {
  await using fleet = new Fleet();
  fleet.put('order-7.state', { state: 'orders' });
  for (const name of ['ant', 'bee']) fleet.worker(name, ['--watch', '--machines', ORDERS]);
  await fleet.until('it waits', () => fleet.list('waiting').length === 1);
  const events = join(fleet.dir, 'events');

  writeFileSync(
    join(fleet.dir, '.accept'),
    '{ "to": "order-7", "event": "accept", "id": "a-7" }\n',
  );
  copyFileSync(join(fleet.dir, '.accept'), join(events, 'accept-order-7.json'));
  await fleet.until('it is accepted', () => fleet.list('waiting').includes('order-7.state-1'));
  await fleet.until('the file is gone', () => fleet.list('events').length === 0);
  const told = await run('send', 'order-7', 'accept', '--id', 'a-7', '--dir', fleet.dir);
  expect(told.stdout).toBe('Ok: start → pending\n');

  // The same again, half of one that goes on, and one that never will.
  copyFileSync(join(fleet.dir, '.accept'), join(events, 'again.json'));
  writeFileSync(join(events, 'slow.json'), '{ "to": "order-7", ');
  writeFileSync(join(events, 'wrong.json'), '{ "for": "order-7", "event": "ship" }');
  await fleet.until('it is told of', () => fleet.list('events').includes('wrong.json.problem'));
  const status = await run('status', '--dir', fleet.dir);
  expect(status.stdout).toContain('files in events/ that are not events:\n');
  expect(status.stdout).toMatch(/wrong\.json: .*"to"/);
  const { problems } = JSON.parse((await run('status', '--json', '--dir', fleet.dir)).stdout) as {
    problems: string[];
  };
  expect(problems.some((problem) => problem.startsWith('wrong.json: '))).toBe(true);
  appendFileSync(join(events, 'slow.json'), '"event": "ship" }');
  await fleet.until('it is shipped', () => fleet.list('waiting').includes('order-7.state-2'));
  await fleet.until('only that is left', () => {
    return fleet.list('events').join() === 'wrong.json,wrong.json.problem';
  });
  expect(fleet.read('events', 'wrong.json')).toBe('{ "for": "order-7", "event": "ship" }');
});
