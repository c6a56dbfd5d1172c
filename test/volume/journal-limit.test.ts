/** Journals have a bound, and who reaches it loses what is oldest. */
import { mkdirSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { JournalLimit } from '../../src/volume/journal-limit.ts';
import { SessionContext } from '../../src/volume/session-context.ts';
import { CLOSED, OPEN, quickFiles, TestVolume } from './harness.ts';

const MOST = 100;
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
    limit: new JournalLimit(context, ports, MOST),
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

test('the oldest go, and no more than have to', async () => {
  const { volume, limit, left } = await made([
    'c.aaaaaaaa.jsonl',
    'a.aaaaaaaa.jsonl',
    'b.aaaaaaaa.jsonl',
  ]);
  using _ = volume;
  await limit.keep(0, OPEN, idle);
  expect(left()).toEqual(['a.aaaaaaaa.jsonl', 'b.aaaaaaaa.jsonl']);
});

test('what a living session writes to stays, however old; what it has finished may go', async () => {
  const { volume, limit, left } = await made(
    ['SELF.jsonl', 'SELF.1.jsonl', 'bee.aaaaaaaa.jsonl', 'dead.aaaaaaaa.jsonl'],
    ['bee.aaaaaaaa'],
  );
  using _ = volume;
  await limit.keep(0, OPEN, idle);
  // With one living beside it, every other round is its own.
  await limit.keep(256, OPEN, idle);
  expect(left()).toEqual(['SELF.1.jsonl', 'bee.aaaaaaaa.jsonl']);
});

test('what is no journal is left alone', async () => {
  const names = ['x.jsonl', 'SELF.held', '.DS_Store', 'notes.txt', 'a.aaaaaaaa.jsonl'];
  const { volume, limit, left } = await made(names);
  using _ = volume;
  mkdirSync(join(volume.dir, '.flockwork/journal/d.aaaaaaaa.jsonl'));
  await limit.keep(0, OPEN, idle);
  expect(left()).toEqual([...names, 'd.aaaaaaaa.jsonl'].sort());
});

test('not while there is work, nor in another phase; and then not for an hour', async () => {
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

test('a worker that has nothing to do keeps a volume’s journals within a gibibyte', async () => {
  using volume = await TestVolume.create();
  const { session } = await volume.join('ant');
  const [older, newer] = ['older.aaaaaaaa.jsonl', 'newer.aaaaaaaa.jsonl'];
  for (const [age, name] of [older, newer].entries()) {
    const path = join(volume.dir, '.flockwork/journal', name);
    writeFileSync(path, '');
    // Holes: nothing is written.
    truncateSync(path, 600 * 1024 ** 2);
    utimesSync(path, age, age);
  }
  await session.archive(0, OPEN, idle);
  expect(volume.list('.flockwork/journal')).toEqual([newer]);
});
