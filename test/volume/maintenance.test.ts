/** What idle workers remove: outcomes after seven days, unless the event is still there, and the oldest journals beyond a limit. */
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, utimesSync, writeFileSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { formatRecord } from '../../src/machine/record.ts';
import type { Sink } from '../../src/volume/files.ts';
import { NO_ARCHIVE } from '../../src/volume/archiver.ts';
import { SessionContext } from '../../src/volume/session-context.ts';
import {
  JournalLimit,
  Maintenance,
  OutcomeLimit,
  OUTCOMES_KEPT_MS,
  TemporaryLimit,
  type OutcomeLimitPorts,
} from '../../src/volume/maintenance.ts';
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
  let now = 0;
  const usual = { monotonic: () => now, volumeTime: () => NOW, living: () => [] };
  const lasting = { created: 0, keepOutcomesMs: OUTCOMES_KEPT_MS };
  const limit = new OutcomeLimit(context, { ...usual, ...lasting, ...ports });
  // An hour after its session has begun.
  now = HOUR;
  return limit;
}

test('removes outcomes older than seven days, and no others', async () => {
  using volume = await TestVolume.create();
  put(volume, { old: 8, 'just-old': 7.001, young: 6.9, new: 0 });
  await (await limitOf(volume)).keep(0, OPEN, idle);
  expect(volume.list('outcomes')).toEqual(['new', 'young']);
});

test('keeps outcomes for as long as it was told', async () => {
  using volume = await TestVolume.create();
  put(volume, { old: 2.1, young: 1.9 });
  await (await limitOf(volume, { keepOutcomesMs: 2 * DAY })).keep(0, OPEN, idle);
  expect(volume.list('outcomes')).toEqual(['young']);
});

test('checks 2,000 outcomes in a cycle', async () => {
  using volume = await TestVolume.create();
  const { outcomes } = volume.layout;
  let looks = 0;
  const { files } = interceptFiles(quickFiles(), async (_call, method, args, act) => {
    const [path, into] = args as unknown as [string, Sink];
    if (method === 'list' && path === outcomes) {
      for (let at = 0; at < 2003; at += 1) into.push(`id${at}`);
      return into;
    }
    if (method === 'stat' && path.startsWith(`${outcomes}/`)) return void (looks += 1);
    return act();
  });
  const limit = await limitOf(volume, {}, files);
  await limit.keep(0, OPEN, idle);
  expect(looks).toBe(2000);
  await limit.keep(1, OPEN, idle);
  expect(looks).toBe(2003);
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
  ['on a volume that is not so old', { created: NOW - 6 * DAY }, OPEN, idle],
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
  // In its first hour, commits of dead sessions may still send events again.
  now = HOUR - 1;
  await limit.keep(0, OPEN, idle);
  expect(volume.list('outcomes')).toEqual(['a', 'b', 'c']);
  now = HOUR;
  await limit.keep(0, OPEN, () => (looks += 1) > 3);
  expect(volume.list('outcomes').length).toBeGreaterThan(0);
  await limit.keep(0, OPEN, idle);
  expect(volume.list('outcomes')).toEqual([]);
  put(volume, { d: 40 });
  now = 2 * HOUR - 1;
  await limit.keep(0, OPEN, idle);
  expect(volume.list('outcomes')).toEqual(['d']);
  now = 2 * HOUR;
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

test('idle workers remove old outcomes, and what killed clients have left', async () => {
  using volume = await TestVolume.create();
  put(volume, { old: 8, young: 6 });
  const temporaries = leaveTemporaries(volume, 2);
  const { token } = (await volume.join('ant')).session;
  const context = new SessionContext(quickFiles(), volume.layout, token, () => '');
  let now = 0;
  const maintenance = new Maintenance(context, NO_ARCHIVE, {
    monotonic: () => now,
    volumeTime: () => NOW,
    living: () => [],
    created: 0,
    keepOutcomesMs: OUTCOMES_KEPT_MS,
  });
  now = HOUR;
  await maintenance.work(0, OPEN, idle);
  expect(volume.list('outcomes')).toEqual(['young']);
  expect(temporaries.filter(existsSync)).toEqual([]);
});

const MAX_BYTES = 100;

interface Made {
  readonly volume: TestVolume;
  readonly limit: JournalLimit;
  readonly session: string;
  readonly left: () => string[];
  readonly pass: (ms: number) => void;
}

/** Journals of 40 bytes, the oldest first; `SELF` is this session. */
async function made(names: readonly string[], living: readonly string[] = []): Promise<Made> {
  const volume = await TestVolume.create();
  const { session } = await volume.join('ant');
  const { token } = session;
  const folder = join(volume.dir, '.flockwork/journal');
  mkdirSync(folder, { recursive: true });
  for (const [age, name] of names.entries()) {
    const path = join(folder, name.replace('SELF', token.session));
    writeFileSync(path, 'x'.repeat(40));
    utimesSync(path, age, age);
  }
  let now = 0;
  const context = new SessionContext(quickFiles(), volume.layout, token, () => '');
  const ports = { monotonic: () => now, living: () => [...living] };
  return {
    volume,
    session: token.session,
    limit: new JournalLimit(context, ports, MAX_BYTES),
    left: () =>
      volume
        .list('.flockwork/journal')
        .map((name) => name.replace(token.session, 'SELF'))
        .sort(),
    pass: (ms) => void (now += ms),
  };
}

test('removes the oldest files, and no more than necessary', async () => {
  const { volume, limit, left } = await made([
    'c.aaaaaaaa.jsonl',
    'a.aaaaaaaa.jsonl',
    'b.aaaaaaaa.jsonl',
  ]);
  using _ = volume;
  await limit.keep(0, OPEN, idle);
  expect(left()).toEqual(['a.aaaaaaaa.jsonl', 'b.aaaaaaaa.jsonl']);
});

test('keeps the file that a live session writes to, however old; removes its finished files', async () => {
  const { volume, limit, left } = await made(
    ['SELF.jsonl', 'SELF.1.jsonl', 'bee.aaaaaaaa.jsonl', 'dead.aaaaaaaa.jsonl'],
    ['bee.aaaaaaaa'],
  );
  using _ = volume;
  await limit.keep(0, OPEN, idle);
  // With one other live session, it owns every other round.
  await limit.keep(256, OPEN, idle);
  expect(left()).toEqual(['SELF.1.jsonl', 'bee.aaaaaaaa.jsonl']);
});

test('keeps files that are not journals', async () => {
  const names = ['x.jsonl', 'SELF.held', '.DS_Store', 'notes.txt', 'a.aaaaaaaa.jsonl'];
  const { volume, limit, left } = await made(names);
  using _ = volume;
  mkdirSync(join(volume.dir, '.flockwork/journal/d.aaaaaaaa.jsonl'));
  await limit.keep(0, OPEN, idle);
  expect(left()).toEqual([...names, 'd.aaaaaaaa.jsonl'].sort());
});

test('removes nothing while there is work, in another phase, or again within an hour', async () => {
  const { volume, limit, left, pass } = await made([
    'a.aaaaaaaa.jsonl',
    'b.aaaaaaaa.jsonl',
    'c.aaaaaaaa.jsonl',
  ]);
  using _ = volume;
  await limit.keep(0, OPEN, busy);
  await limit.keep(0, CLOSED, idle);
  expect(left()).toHaveLength(3);
  await limit.keep(0, OPEN, idle);
  expect(left()).toHaveLength(2);
  const file = join(volume.dir, '.flockwork/journal/d.aaaaaaaa.jsonl');
  writeFileSync(file, 'x'.repeat(40));
  pass(HOUR - 1);
  await limit.keep(0, OPEN, idle);
  expect(left()).toHaveLength(3);
  pass(1);
  await limit.keep(0, OPEN, idle);
  expect(left()).toHaveLength(2);
});

test('an idle worker keeps the journals of a volume within a gibibyte', async () => {
  using volume = await TestVolume.create();
  const { session } = await volume.join('ant');
  const [older, newer] = ['older.aaaaaaaa.jsonl', 'newer.aaaaaaaa.jsonl'];
  for (const [age, name] of [older, newer].entries()) {
    const path = join(volume.dir, '.flockwork/journal', name);
    writeFileSync(path, '');
    // Sparse files: nothing is written.
    truncateSync(path, 600 * 1024 ** 2);
    utimesSync(path, age, age);
  }
  await session.archive(0, OPEN, idle);
  expect(volume.list('.flockwork/journal')).toEqual([newer]);
});

/** Temporary files of clients, last touched `days` ago. */
function leaveTemporaries(volume: TestVolume, days: number): string[] {
  const batch = join(volume.dir, `.submit-${randomUUID()}`);
  mkdirSync(batch);
  mkdirSync(join(volume.dir, 'events'), { recursive: true });
  const files = [
    join(batch, 'a.state'),
    join(volume.dir, `.submit-${randomUUID()}`),
    join(volume.dir, `events/.id-1.${randomUUID()}`),
    join(volume.dir, `events/.a.b.${randomUUID()}.12`),
  ];
  const seconds = (NOW - days * DAY) / 1000;
  for (const file of files) writeFileSync(file, '{}');
  for (const path of [...files, batch]) utimesSync(path, seconds, seconds);
  return [...files, batch];
}

/** An hour after its session has begun. */
async function temporaryLimitOf(
  volume: TestVolume,
  volumeTime: number | undefined,
  age: number = HOUR,
): Promise<TemporaryLimit> {
  const { token } = (await volume.join('ant')).session;
  const context = new SessionContext(quickFiles(), volume.layout, token, () => '');
  let now = 0;
  const ports = { monotonic: () => now, volumeTime: () => volumeTime, living: () => [] };
  const limit = new TemporaryLimit(context, ports);
  now = age;
  return limit;
}

test('removes temporary files of clients that did not change for a day, and no others', async () => {
  using volume = await TestVolume.create();
  const old = leaveTemporaries(volume, 1.01);
  const young = leaveTemporaries(volume, 0.99);
  const others = [
    '.submit-notes',
    '.nfs0000012',
    'events/.swp',
    'a.state',
    // Of other programs.
    `.cache.${randomUUID()}`,
    `events/.submit-${randomUUID()}`,
  ].map((name) => {
    const path = join(volume.dir, name);
    writeFileSync(path, '{}');
    utimesSync(path, 1, 1);
    return path;
  });
  await (await temporaryLimitOf(volume, NOW)).keep(0, OPEN, idle);
  expect(old.filter(existsSync)).toEqual([]);
  expect([...young, ...others].filter((path) => !existsSync(path))).toEqual([]);
});

test.each([
  ['while there is work', NOW, OPEN, busy, HOUR],
  ['in another phase', NOW, CLOSED, idle, HOUR],
  ['while the time is uncertain', undefined, OPEN, idle, HOUR],
  ['in the first hour of a session', NOW, OPEN, idle, HOUR - 1],
] as const)('keeps temporary files %s', async (_when, time, guard, isBusy, age) => {
  using volume = await TestVolume.create();
  const old = leaveTemporaries(volume, 2);
  await (await temporaryLimitOf(volume, time, age)).keep(0, guard, isBusy);
  expect(old.filter((path) => !existsSync(path))).toEqual([]);
});
