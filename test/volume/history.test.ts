/** Journals: how they are written, and read without holding them in memory. */
import {
  appendFileSync,
  unlinkSync,
  writeFileSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  utimesSync,
} from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test, afterEach, beforeEach } from 'vitest';
import type { JournalEntry } from '../../src/volume/operations.ts';
import {
  entriesInOrder,
  journalSizes,
  lastEntriesOf,
  readTails,
  JournalCounter,
  readTicks,
} from '../../src/volume/history.ts';
import { Journal, parseJournalLine, parseJournalName } from '../../src/volume/journal.ts';
import { NodeFiles } from '../../src/volume/node-files.ts';
import { errno, interceptFiles, TestVolume } from './harness.ts';
import { tmpdir } from 'node:os';
import { Layout } from '../../src/volume/layout.ts';

const EPOCH = Date.UTC(2026, 0, 1);
const files = new NodeFiles();

function entry(session: string, start: number, change: Partial<JournalEntry> = {}): JournalEntry {
  return {
    started: new Date(EPOCH + start).toISOString(),
    duration: 10,
    state: `s${start}.state`,
    machine: 'simple',
    worker: session.slice(0, session.lastIndexOf('.')),
    session,
    attempt: 1,
    result: 'done',
    ...change,
  };
}

const journalOf = (volume: TestVolume, session: string, maxBytes?: number): Journal =>
  new Journal(files, volume.layout, session, maxBytes);

async function inOrder(
  volume: TestVolume,
  from?: ReadonlyMap<string, number>,
  window?: number,
): Promise<JournalEntry[]> {
  const all: JournalEntry[] = [];
  for await (const some of entriesInOrder(files, volume.layout, from, window)) all.push(...some);
  return all;
}

describe('file names', () => {
  test.each([
    ['ant.abcdefgh.jsonl', { session: 'ant.abcdefgh', worker: 'ant', part: 0 }],
    ['ant.abcdefgh.12.jsonl', { session: 'ant.abcdefgh', worker: 'ant', part: 12 }],
    ['a.b.c.12345678.jsonl', { session: 'a.b.c.12345678', worker: 'a.b.c', part: 0 }],
    ['ant.abcdefgh.held', undefined],
    ['ant.jsonl', undefined],
    ['.ant.abcdefgh', undefined],
    ['notes.txt', undefined],
  ])('%s', (name, expected) => {
    expect(parseJournalName(name)).toEqual(expected);
  });
});

describe('journal lines', () => {
  const owner = { session: 'ant.abcdefgh', worker: 'ant' };

  test.each(['', '{', 'null', '5', '"x"', '[]', '{}', '{"started":1,"duration":1,"state":"x"}'])(
    '%s is not an entry',
    (text) => {
      expect(parseJournalLine(text, owner)).toBeUndefined();
    },
  );

  test('that name their session, as older ones do, keep it', () => {
    const old = entry('bee.12345678', 5);
    expect(parseJournalLine(JSON.stringify(old), owner)).toEqual(old);
  });

  test('of a previous session, which it could not write, name that session', async () => {
    using volume = await TestVolume.create();
    const before = entry('ant.abcdefgh', 5);
    await journalOf(volume, 'ant.ijklmnop').append([before, entry('ant.ijklmnop', 6)]);
    expect(await inOrder(volume)).toEqual([before, entry('ant.ijklmnop', 6)]);
  });

  test('do not name their session otherwise, and are read with it', async () => {
    using volume = await TestVolume.create();
    const one = entry('ant.abcdefgh', 5);
    await journalOf(volume, 'ant.abcdefgh').append([one]);
    expect(volume.read('.flockwork/journal/ant.abcdefgh.jsonl')).not.toContain('ant');
    expect(await inOrder(volume)).toEqual([one]);
  });
});

test('a large journal is followed by another', async () => {
  using volume = await TestVolume.create();
  const journal = journalOf(volume, 'ant.abcdefgh', 300);
  const entries = Array.from({ length: 12 }, (_, index) => entry('ant.abcdefgh', index * 1000));
  for (const one of entries) await journal.append([one]);
  await journal.append([]);
  const names = volume.list('.flockwork/journal');
  expect(names.length).toBeGreaterThan(2);
  expect(names).toContain('ant.abcdefgh.jsonl');
  expect(names).toContain('ant.abcdefgh.1.jsonl');
  expect(await inOrder(volume)).toEqual(entries);
});

test('entries that a full disk has cut short do not damage other entries', async () => {
  using volume = await TestVolume.create();
  let isFull = true;
  const { files: filling } = interceptFiles(files, async (_call, method, [path, content], act) => {
    if (method !== 'append' || !isFull) return act();
    appendFileSync(path!, content!.slice(0, 20));
    throw errno('ENOSPC');
  });
  const journal = new Journal(filling, volume.layout, 'ant.abcdefgh');
  const entries = [0, 1000, 2000].map((start) => entry('ant.abcdefgh', start));
  await expect(journal.append(entries.slice(0, 2))).rejects.toThrow('ENOSPC');
  isFull = false;
  await journal.append(entries.slice(0, 2));
  await journal.append(entries.slice(2));
  expect(await inOrder(volume)).toEqual(entries);
});

describe('entriesInOrder', () => {
  test('sorts by the starts of the ticks, across journals', async () => {
    using volume = await TestVolume.create();
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(2), fc.nat(500), fc.nat(300)), { maxLength: 60 }),
        async (ticks) => {
          const entries = ticks.map(([worker, start, duration], index) =>
            entry(`w${worker}.abcdefgh`, start, { duration, state: `s${index}.state` }),
          );
          // Written when ticks have ended, as a worker does.
          const ended = [...entries].sort(
            (a, b) => Date.parse(a.started) + a.duration - Date.parse(b.started) - b.duration,
          );
          for (const name of volume.list('.flockwork/journal')) {
            unlinkSync(join(volume.dir, '.flockwork/journal', name));
          }
          const journals = new Map<string, Journal>();
          for (const one of ended) {
            const journal = journals.get(one.session) ?? journalOf(volume, one.session, 500);
            journals.set(one.session, journal);
            await journal.append([one]);
          }
          const read = await inOrder(volume);
          expect(read.map(({ started }) => started)).toEqual(
            entries.map(({ started }) => started).sort(),
          );
          expect(new Set(read.map(({ state }) => state)).size).toBe(entries.length);
          // With a small window, no entry is lost.
          const narrow = await inOrder(volume, undefined, 2);
          expect(narrow.length).toBe(entries.length);
        },
      ),
      { numRuns: 30 },
    );
  });

  test('places a tick that lasted longer than the window at its end', async () => {
    using volume = await TestVolume.create();
    const journal = journalOf(volume, 'ant.abcdefgh');
    for (let start = 1; start <= 10; start += 1) {
      await journal.append([entry('ant.abcdefgh', start * 100)]);
    }
    await journal.append([entry('ant.abcdefgh', 0, { duration: 2000 })]);
    const starts = (read: JournalEntry[]): number[] =>
      read.map(({ started }) => Date.parse(started) - EPOCH);
    expect(starts(await inOrder(volume))).toEqual([
      0, 100, 200, 300, 400, 500, 600, 700, 800, 900, 1000,
    ]);
    expect(starts(await inOrder(volume, undefined, 3))).toEqual([
      100, 200, 300, 400, 500, 600, 0, 700, 800, 900, 1000,
    ]);
  });

  test('continues from given sizes', async () => {
    using volume = await TestVolume.create();
    const journal = journalOf(volume, 'ant.abcdefgh');
    await journal.append([entry('ant.abcdefgh', 1)]);
    const sizes = await journalSizes(files, volume.layout);
    await journal.append([entry('ant.abcdefgh', 2)]);
    await journalOf(volume, 'bee.abcdefgh').append([entry('bee.abcdefgh', 3)]);
    expect((await inOrder(volume, sizes)).map(({ state }) => state)).toEqual([
      's2.state',
      's3.state',
    ]);
  });
});

test('lines longer than a chunk, with characters of several bytes, are read; one cut short is not', async () => {
  using volume = await TestVolume.create();
  const long = entry('ant.abcdefgh', 1, { state: `${'ü'.repeat(100_000)}.state` });
  await journalOf(volume, 'ant.abcdefgh').append([long, entry('ant.abcdefgh', 2)]);
  appendFileSync(join(volume.dir, '.flockwork/journal/ant.abcdefgh.jsonl'), '{"started":"2026');
  expect(await inOrder(volume)).toEqual([long, entry('ant.abcdefgh', 2)]);
});

test('other files, and empty journals, have no entries', async () => {
  using volume = await TestVolume.create();
  for (const name of ['ant.abcdefgh.jsonl', 'notes.txt', 'ant.abcdefgh.held']) {
    writeFileSync(join(volume.dir, '.flockwork/journal', name), name === 'notes.txt' ? '{}\n' : '');
  }
  expect(await inOrder(volume)).toEqual([]);
  expect(await readTails(files, volume.layout)).toEqual({
    entries: [],
    cut: new Set(),
    before: new Map(),
    uncounted: new Set(),
  });
});

test('a journal that is removed while it is read ends there', async () => {
  using volume = await TestVolume.create();
  const path = join(volume.dir, '.flockwork/journal/ant.abcdefgh.jsonl');
  const many = Array.from({ length: 3000 }, (_, index) => entry('ant.abcdefgh', index));
  await journalOf(volume, 'ant.abcdefgh').append(many);
  let read = 0;
  for await (const some of entriesInOrder(files, volume.layout, new Map(), 100)) {
    if (read === 0) unlinkSync(path);
    read += some.length;
  }
  expect(read).toBeGreaterThan(0);
  expect(read).toBeLessThan(3000);
});

describe('readTails', () => {
  test('returns whole lines of each journal, and names the workers whose journals were cut', async () => {
    using volume = await TestVolume.create();
    const many = Array.from({ length: 50 }, (_, index) => entry('ant.abcdefgh', index));
    await journalOf(volume, 'ant.abcdefgh').append(many);
    await journalOf(volume, 'bee.abcdefgh').append([entry('bee.abcdefgh', 7)]);
    const whole = await readTails(files, volume.layout);
    expect(whole.entries).toHaveLength(51);
    expect(whole.cut).toEqual(new Set());
    const ends = await readTails(files, volume.layout, 1000);
    const ants = ends.entries.filter(({ worker }) => worker === 'ant');
    expect(ants.length).toBeGreaterThan(3);
    expect(ants).toEqual(many.slice(-ants.length));
    expect(ends.entries).toContainEqual(entry('bee.abcdefgh', 7));
    expect(ends.cut).toEqual(new Set(['ant']));
  });

  test('parses the ends, and counts each line before them once', async () => {
    using volume = await TestVolume.create();
    const results = ['done', 'failed', 'retry', 'lost'] as const;
    const trap = 'x"result":"done"}\n.state';
    const write = (from: number, to: number): Promise<void> =>
      journalOf(volume, 'ant.abcdefgh').append(
        Array.from({ length: to - from }, (_, index) =>
          entry('ant.abcdefgh', from + index, {
            result: results[(from + index) % 4]!,
            state: trap,
          }),
        ),
      );
    const counter = new JournalCounter();
    const totals = async (tail: number): Promise<object> => {
      const tails = await readTails(files, volume.layout, tail, undefined, counter);
      const count = (result: string): number =>
        tails.entries.filter((one) => one.result === result).length;
      const { done, failed } = tails.before.get('ant') ?? { done: 0, failed: 0 };
      return { done: done + count('done'), failed: failed + count('failed') };
    };
    await write(0, 40);
    // Wherever the tail begins, and with the counts of the last call.
    for (let tail = 1; tail < 400; tail += 7) {
      expect(await readTails(files, volume.layout, tail)).toMatchObject({ cut: new Set(['ant']) });
      expect(await totals(tail)).toEqual({ done: 10, failed: 10 });
    }
    await write(40, 400);
    expect(await totals(300)).toEqual({ done: 100, failed: 100 });
    const careful = new JournalCounter(1000);
    expect(await readTails(files, volume.layout, 300, undefined, careful)).toMatchObject({
      uncounted: new Set(['ant']),
      before: new Map(),
    });
  });

  test('limits the total when there are very many journals', async () => {
    using volume = await TestVolume.create();
    for (let index = 10; index < 60; index += 1) {
      const session = `ant.abcdef${index}`;
      await journalOf(volume, session).append([entry(session, index)]);
    }
    const { entries, cut } = await readTails(files, volume.layout, 1000, 1000);
    expect(entries.length).toBeGreaterThan(3);
    expect(entries.length).toBeLessThan(20);
    expect(cut).toEqual(new Set(['ant']));
  });
});

test('lastEntriesOf returns the last entry of each step of one instance only', async () => {
  using volume = await TestVolume.create();
  const name = 'a "b"\\';
  const entries = [
    entry('ant.abcdefgh', 1, { state: `${name}.state`, result: 'retry' }),
    entry('ant.abcdefgh', 2, { state: `${name}.state` }),
    entry('ant.abcdefgh', 3, { state: `${name}.state-1` }),
    entry('ant.abcdefgh', 4, { state: `x${name}.state` }),
  ];
  await journalOf(volume, 'ant.abcdefgh').append(entries);
  const last = await lastEntriesOf(files, volume.layout, name);
  expect([...last]).toEqual([
    [`${name}.state`, entries[1]],
    [`${name}.state-1`, entries[2]],
  ]);
});

const START_MS = Date.UTC(2026, 0, 1);
let layout: Layout;

beforeEach(() => {
  layout = new Layout(mkdtempSync(join(tmpdir(), 'flockwork-pages-')));
  mkdirSync(join(layout.root, '.flockwork', 'journal'), { recursive: true });
});
afterEach(() => rmSync(layout.root, { recursive: true, force: true }));

const pathOf = (session: string, suffix = ''): string =>
  layout.internal('journal', `${session}${suffix}.jsonl`);

/** `at`: seconds after the start. */
function line(state: string, at: number): string {
  const started = new Date(START_MS + at * 1000).toISOString();
  const rest = { duration: 0, state, machine: 'm', attempt: 1, result: 'done' };
  return `${JSON.stringify({ started, ...rest })}\n`;
}

const ANT = 'ant.aaaaaaaa';
const BEE = 'bee.bbbbbbbb';

/** States on all pages from `after` on, and the last cursor. */
async function readAll(
  limit: number,
  after?: string,
  since?: string,
): Promise<{ readonly states: string[]; readonly next: string }> {
  const states: string[] = [];
  let cursor = after;
  for (;;) {
    const page = { limit, ...(cursor !== undefined && { after: cursor }) };
    const { ticks, next } = await readTicks(files, layout, since, page);
    states.push(...ticks.map(({ state }) => state));
    cursor = next;
    if (ticks.length === 0) return { states, next };
  }
}

describe('pages of the journals', () => {
  test.each([1, 2, 3, 100])(
    'of %i entries have each once, by the time of its end',
    async (limit) => {
      writeFileSync(pathOf(ANT), line('a', 1) + line('d', 4));
      writeFileSync(pathOf(ANT, '.1'), line('f', 6));
      writeFileSync(pathOf(BEE), line('b', 2) + line('c', 3) + line('e', 5));
      const { states, next } = await readAll(limit);
      expect(states).toEqual(['a', 'b', 'c', 'd', 'e', 'f']);
      // Later ones go on there, although another clock says that they ended before.
      appendFileSync(pathOf(ANT, '.1'), line('late', 0));
      writeFileSync(pathOf('cow.cccccccc'), line('new', 7));
      expect((await readAll(limit, next)).states.sort()).toEqual(['late', 'new']);
    },
  );

  test('are in the order of the ends of the steps', async () => {
    const long = JSON.stringify({ ...JSON.parse(line('long', 1)), duration: 9000 });
    writeFileSync(pathOf(ANT), `${long}\n`);
    writeFileSync(pathOf(BEE), line('b', 2) + line('c', 3));
    for (const limit of [1, 3]) expect((await readAll(limit)).states).toEqual(['b', 'c', 'long']);
  });

  test('wait for the end of a line, and pass over what is no entry', async () => {
    const entire = line('é', 1);
    writeFileSync(pathOf(ANT), Buffer.concat([Buffer.from([0xff, 10]), Buffer.from('{}\n')]));
    appendFileSync(pathOf(ANT), entire.slice(0, 20));
    const { states, next } = await readAll(1);
    expect(states).toEqual([]);
    appendFileSync(pathOf(ANT), entire.slice(20));
    expect((await readAll(1, next)).states).toEqual(['é']);
  });

  test('have lines that are longer than what is read at a time', async () => {
    const long = 'x'.repeat(200_000);
    writeFileSync(pathOf(ANT), line(long, 1) + line('b', 2));
    expect((await readAll(1)).states).toEqual([long, 'b']);
  });

  test('begin with the steps that ended at a time', async () => {
    writeFileSync(pathOf(ANT), line('a', 1) + line('b', 2) + line('c', 3));
    writeFileSync(pathOf(BEE), line('old', 1));
    utimesSync(pathOf(BEE), START_MS / 1000, START_MS / 1000 + 1);
    const since = new Date(START_MS + 2000).toISOString();
    expect((await readAll(1, undefined, since)).states).toEqual(['b', 'c']);
  });

  test.each(['', 'x', '{}', '[1]', '[["a"]]'])(
    'start anew after the cursor "%s"',
    async (cursor) => {
      writeFileSync(pathOf(ANT), line('a', 1));
      expect((await readAll(10, cursor)).states).toEqual(['a']);
    },
  );
});
