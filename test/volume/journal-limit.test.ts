/** The size limit of the journals: beyond it, the oldest files are removed. */
import { mkdirSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { JournalLimit } from '../../src/volume/journal-limit.ts';
import { SessionContext } from '../../src/volume/session-context.ts';
import { CLOSED, OPEN, quickFiles, TestVolume } from './harness.ts';

const MAX_BYTES = 100;
const HOUR = 3_600_000;

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

const busy = (): boolean => true;
const idle = (): boolean => false;

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
