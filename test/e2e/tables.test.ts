/** Machines with tables, as a user types them: what each command does is in `test/cli/tables.test.ts`. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Fleet, run } from '../fleet.ts';

const ROOT = join(import.meta.dirname, '../..');
const ORDERS = join(ROOT, 'examples/orders/orders.yaml');
const TASKS = join(ROOT, 'examples/tasks/tasks.ts');

test('the examples are validated, drawn, and printed as SQL', async () => {
  expect(await run('validate', ORDERS, TASKS)).toMatchObject({ status: 0 });
  expect((await run('graph', ORDERS)).stdout).toMatch(/^stateDiagram-v2\n/);
  expect((await run('graph', TASKS, '--format', 'svg')).stdout).toMatch(/^<svg [^]*<\/svg>\n$/);
  expect((await run('sql', ORDERS, '--table', 'shop`s')).stdout).toContain('UPDATE `shop``s`\n');
  for (const [args, words] of [
    [['graph'], 'graph needs MACHINE-FILE'],
    [['graph', ORDERS, '--format', 'png'], 'one of mermaid, dot, svg, matrix'],
    [['sql', ORDERS, '--table', ''], '--table needs a value'],
  ] as const) {
    const { status, stderr } = await run(...args);
    expect([status, stderr]).toEqual([2, expect.stringContaining(words)]);
  }
});

test('a configuration remains on its volume after reset', async () => {
  await using fleet = new Fleet();
  const dir = ['--dir', fleet.dir];
  expect((await run('config', 'put', ORDERS, ...dir)).stdout).toBe('orders:v1: stored\n');
  const hello = { state: 'simple', payload: { target: 'hello' } };
  fleet.put('hello.state', hello);
  expect(await run('worker', ...dir, '--example-delay', '0')).toMatchObject({ status: 0 });
  expect((await run('reset', '--all', '--yes', ...dir)).status).toBe(0);
  expect((await run('config', 'get', 'orders', ...dir)).stdout).toContain('starting_state: start');
});

test('a waiting state waits, a final one is done, an unknown one fails', async () => {
  await using fleet = new Fleet();
  fleet.put('one.state', { state: 'tasks', machine: 'tasks' });
  fleet.put('two.state', { state: 'Deleted', machine: 'tasks' });
  fleet.put('three.state', { state: 'Lost', machine: 'tasks' });
  fleet.put('four.state', { state: 'pending', machine: 'orders' });
  const machines = ['--machines', TASKS, '--machines', ORDERS];
  const { status } = await run('worker', '--dir', fleet.dir, ...machines);
  expect(status).toBe(1);
  expect(fleet.list('waiting')).toEqual(['four.state', 'one.state']);
  expect(fleet.list('done')).toEqual(['two.state']);
  expect((JSON.parse(fleet.read('failed/three.state')) as { reason: unknown }).reason).toBe(
    'machine tasks has no state "Lost"; there are Initializing, Running, Error, Stopped, Deleted',
  );
});
