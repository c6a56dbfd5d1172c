/** One benchmark at a time. */
import { expect, test } from 'vitest';
import { holdLock } from '../../bench/exclusive.ts';
import { Child } from '../../bench/processes.ts';

const name = `flockwork-bench-test-${process.pid}`;

test('refuses a second one with the process of the first, and admits it when that is over', async () => {
  const first = await holdLock(name);
  await expect(holdLock(name)).rejects.toThrow(
    `another benchmark runs on this machine, process ${process.pid}; wait for its end`,
  );
  await first[Symbol.asyncDispose]();
  await (await holdLock(name))[Symbol.asyncDispose]();
});

test('admits one when the process before it was killed', async () => {
  const module = new URL('../../bench/exclusive.ts', import.meta.url).href;
  const code = `const { holdLock } = await import(${JSON.stringify(module)});
    await holdLock(${JSON.stringify(`${name}-killed`)});
    process.send('held'); setInterval(() => undefined, 1000);`;
  const other = new Child(process.execPath, ['--input-type=module', '-e', code], { ipc: true });
  await new Promise((resolve) => other.process.once('message', resolve));
  await expect(holdLock(`${name}-killed`)).rejects.toThrow(`process ${other.pid}`);
  await other.stop('SIGKILL');
  await (await holdLock(`${name}-killed`))[Symbol.asyncDispose]();
});
