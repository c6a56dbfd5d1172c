/** Machines that change while a worker runs. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Fleet } from '../fleet.ts';

const module = (name: string, text: string): string => `
import { done, machine } from 'flockwork';
import { mark } from './lib/mark.ts';
export default machine({
  name: '${name}',
  activities: { run: (context) => { context.print('${text}' + mark); return done(); } },
});
`;

test('new and changed modules are used without a restart, also in threads; a broken one is not', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'flockwork-reload-'));
  const put = (name: string, text: string): void => writeFileSync(join(folder, name), text);
  mkdirSync(join(folder, 'lib'));
  put('lib/mark.ts', "export const mark: string = '!';\n");
  put('job.ts', module('job', 'first'));
  await using fleet = new Fleet();
  const worker = fleet.worker('ant', ['--watch', '--machines', folder, '--threads', '1']);
  let states = 0;
  const prints = async (machine: string, text: string): Promise<void> => {
    const before = worker.stdout.length;
    fleet.put(`s${(states += 1)}.state`, { state: machine });
    await fleet.until(`${machine} prints ${text}`, () => worker.stdout.length > before);
    expect(worker.stdout.slice(before)).toBe(`${text}\n`);
  };
  const logs = (what: string, text: RegExp, times = 1): Promise<void> =>
    fleet.until(what, () => (worker.stderr.match(new RegExp(text, 'g')) ?? []).length >= times);
  await prints('job', 'first!');
  put('job.ts', module('job', 'second'));
  await logs('it is loaded', /reloaded machines/);
  await prints('job', 'second!');
  put('job.ts', 'export default {\n  a: = 1,\n};\n');
  await logs('it is refused', /job\.ts:2:6: /);
  await prints('job', 'second!');
  put('other.ts', module('other', 'third'));
  await logs('the new one is loaded', /reloaded machines/, 2);
  await prints('other', 'third!');
  put('job.ts', module('job', 'fourth'));
  await logs('the other is loaded', /reloaded machines/, 3);
  put('lib/mark.ts', "export const mark: string = '?';\n");
  await logs('both are loaded', /reloaded machines/, 4);
  await prints('job', 'fourth?');
  worker.kill('SIGTERM');
  expect((await worker.ended).status).toBe(0);
  rmSync(folder, { recursive: true });
});
