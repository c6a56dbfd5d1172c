/** An outcome is kept for thirty days; older ones are removed, unless the event is still there. */
import { mkdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { formatRecord } from '../../src/machine/record.ts';
import { SessionContext } from '../../src/volume/session-context.ts';
import { OutcomeLimit, type OutcomeLimitPorts } from '../../src/volume/outcome-limit.ts';
import { CLOSED, interceptFiles, OPEN, quickFiles, TestVolume } from './harness.ts';

const DAY = 86_400_000;
const HOUR = 3_600_000;
const NOW = Date.parse('2026-11-30T00:00:00Z');
const idle = (): boolean => false;
const busy = (): boolean => true;

const verdict = (id: string): string =>
  formatRecord({
    flockwork: 1,
    id,
    file: `20260101T000000.000Z~${id}@absent`,
    outcome: 'FsmNotFound',
    reason: 'there is no instance absent',
    session: 'ant.1',
    worker: 'ant',
    at: '2026-01-01T00:00:00.000Z',
  });

/** Names in `outcomes/` → age in days. */
function put(volume: TestVolume, outcomes: Readonly<Record<string, number>>): void {
  for (const [name, age] of Object.entries(outcomes)) {
    const path = join(volume.dir, 'outcomes', name);
    writeFileSync(path, verdict(name));
    const seconds = (NOW - age * DAY) / 1000;
    utimesSync(path, seconds, seconds);
  }
}

async function limitOf(
  volume: TestVolume,
  ports: Partial<OutcomeLimitPorts> = {},
  files = quickFiles(),
): Promise<OutcomeLimit> {
  const { token } = (await volume.join('ant')).session;
  const context = new SessionContext(files, volume.layout, token, () => '');
  const usual = { monotonic: () => 0, volumeTime: () => NOW, living: () => [], created: 0 };
  return new OutcomeLimit(context, { ...usual, ...ports });
}

test('removes outcomes older than thirty days, and no others', async () => {
  using volume = await TestVolume.create();
  put(volume, { old: 31, 'just-old': 30.001, young: 29.9, new: 0 });
  await (await limitOf(volume)).keep(0, OPEN, idle);
  expect(volume.list('outcomes')).toEqual(['new', 'young']);
});

test('keeps the outcome of an event that is still there: it would be applied again', async () => {
  using volume = await TestVolume.create();
  put(volume, { here: 40, gone: 40 });
  writeFileSync(join(volume.dir, 'events/20261001T000000.000Z~here@door'), '{"event":"go"}');
  await (await limitOf(volume)).keep(0, OPEN, idle);
  expect(volume.list('outcomes')).toEqual(['here']);
});

test('removes all generations of an outcome, the last first; none while one is recent', async () => {
  using volume = await TestVolume.create();
  put(volume, { a: 50, 'a+1': 49, 'a+2': 48, b: 50, 'b+1': 3 });
  const gone: string[] = [];
  const { files } = interceptFiles(quickFiles(), async (_call, method, [path], act) => {
    if (method === 'unlink') gone.push(path!.slice(volume.layout.outcomes.length + 1));
    return act();
  });
  await (await limitOf(volume, {}, files)).keep(0, OPEN, idle);
  expect(gone).toEqual(['a+2', 'a+1', 'a']);
  expect(volume.list('outcomes')).toEqual(['b', 'b+1']);
});

test('keeps an outcome that another session has created anew meanwhile', async () => {
  using volume = await TestVolume.create();
  put(volume, { again: 40 });
  let reads = 0;
  const { files } = interceptFiles(quickFiles(), async (_call, method, [path], act) => {
    const answer = await act();
    if (method === 'read' && path!.endsWith('/again') && (reads += 1) === 1) {
      writeFileSync(path!, verdict('anew'));
    }
    return answer;
  });
  await (await limitOf(volume, {}, files)).keep(0, OPEN, idle);
  expect(reads).toBe(2);
  expect(volume.list('outcomes')).toEqual(['again']);
});

test.each([
  ['while there is work', {}, OPEN, busy],
  ['in another phase', {}, CLOSED, idle],
  ['while the time is uncertain', { volumeTime: () => undefined }, OPEN, idle],
  ['on a volume that is not so old', { created: NOW - 20 * DAY }, OPEN, idle],
] as const)('nothing is done, nor listed, %s', async (_when, ports, guard, isBusy) => {
  using volume = await TestVolume.create();
  put(volume, { old: 31 });
  let lists = 0;
  const { files } = interceptFiles(quickFiles(), async (_call, method, [path], act) => {
    if (method === 'list' && path === volume.layout.outcomes) lists += 1;
    return act();
  });
  await (await limitOf(volume, ports, files)).keep(0, guard, isBusy);
  expect([lists, volume.list('outcomes')]).toEqual([0, ['old']]);
});

test('lists once an hour, and continues where it was interrupted', async () => {
  using volume = await TestVolume.create();
  put(volume, { a: 40, b: 40, c: 40 });
  let now = 0;
  const limit = await limitOf(volume, { monotonic: () => now });
  let looks = 0;
  await limit.keep(0, OPEN, () => (looks += 1) > 3);
  expect(volume.list('outcomes').length).toBeGreaterThan(0);
  await limit.keep(0, OPEN, idle);
  expect(volume.list('outcomes')).toEqual([]);
  put(volume, { d: 40 });
  now = HOUR - 1;
  await limit.keep(0, OPEN, idle);
  expect(volume.list('outcomes')).toEqual(['d']);
  now = HOUR;
  await limit.keep(0, OPEN, idle);
  expect(volume.list('outcomes')).toEqual([]);
});

test('keeps files that are not outcomes', async () => {
  using volume = await TestVolume.create();
  put(volume, { '.DS_Store': 40 });
  mkdirSync(join(volume.dir, 'outcomes/@eaDir'));
  await (await limitOf(volume)).keep(0, OPEN, idle);
  expect(volume.list('outcomes')).toEqual(['.DS_Store', '@eaDir']);
});

test('idle workers remove old outcomes', async () => {
  using volume = await TestVolume.create();
  volume.volume = { ...volume.volume, created: '2020-01-01T00:00:00.000Z' };
  const { session } = await volume.join('ant');
  const path = join(volume.dir, 'outcomes/old');
  writeFileSync(path, verdict('old'));
  utimesSync(path, 1_600_000_000, 1_600_000_000);
  await session.archive(0, OPEN, idle);
  expect(volume.list('outcomes')).toEqual([]);
});
