/**
 * Fuzzes every reader of a volume with hostile entries: no reader crashes, accesses a file outside of the volume, or
 * takes longer than MAX_CALL_MS. `FLOCKWORK_FUZZ_SECONDS` sets the duration (60), `FLOCKWORK_FUZZ_SEED` the first
 * seed (1). The first failing volume is printed.
 */
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { UserError } from '../../src/machine/errors.ts';
import { listConfigurations, getConfiguration } from '../../src/volume/configurations.ts';
import { errnoOf } from '../../src/volume/files.ts';
import { readTails, readTicks } from '../../src/volume/history.ts';
import { countInstances, InstanceLists, readResults } from '../../src/volume/instances.ts';
import { EVENTS, FLAGS, INTERNAL } from '../../src/volume/layout.ts';
import { resetDone, resetFailed, resetInProgress, resetTraces } from '../../src/volume/admin.ts';
import { NodeFiles } from '../../src/volume/node-files.ts';
import { eventStatus } from '../../src/volume/outcomes.ts';
import { readOverview } from '../../src/volume/overview.ts';
import { listPending, readPending } from '../../src/volume/inbox.ts';
import { bareStep, OPEN, TestVolume, type TestSession } from '../volume/harness.ts';

const SECONDS = Number(process.env['FLOCKWORK_FUZZ_SECONDS'] ?? 60);
const FIRST_SEED = Number(process.env['FLOCKWORK_FUZZ_SEED'] ?? 1);
const VOLUMES_PER_SEED = 50;
/** A hundred times the length of a phase. */
const MAX_CALL_MS = 20_000;

const SESSION = 'evil.aaaaaaaa';
const EVENT = '20260101T000000.000Z~a@i0';
const NAMES = [
  'i0.state',
  'i0.state-1',
  'i1.state',
  'i1~0~b.state',
  'c.state-9007199254740991',
  SESSION,
  `${SESSION}~2`,
  '.held',
  `${SESSION}.jsonl`,
  'worker',
  'i0.state+3',
  EVENT,
  'a',
  'a+1',
  'a@1',
  'note.json',
  `${EVENT}.problem`,
  '@eaDir',
  '.DS_Store',
];
const DIRECTORIES = [
  '.',
  ...FLAGS,
  ...EVENTS,
  ...INTERNAL.map((part) => `.flockwork/${part}`),
  '.flockwork/configurations',
  `.flockwork/staging/${SESSION}`,
  '.flockwork/attempts/i0.state',
  'archive',
  'archive/00',
  'archive/00/done',
];

/** One file of each kind, to mutate. */
const SAMPLES: readonly object[] = [
  { state: 'simple', payload: { target: 'x' } },
  { state: 'simple', machine: 'simple', notBefore: '2030-01-01T00:00:00Z', priority: 1 },
  {
    flockwork: 1,
    session: SESSION,
    worker: 'evil',
    host: 'h',
    pid: 1,
    started: '2026-01-01T00:00:00.000Z',
    concurrency: 1,
    capacity: 1,
    machines: ['simple'],
  },
  {
    flockwork: 1,
    state: 'i0.state',
    session: SESSION,
    worker: 'evil',
    started: '2026-01-01T00:00:00.000Z',
    finished: '2026-01-01T00:00:01.000Z',
    events: [{ file: EVENT, id: 'a', outcome: 'Ok', from: 's' }],
    emit: [{ name: EVENT, content: '{"event":"e"}' }],
    branches: [{ name: 'i0~0~b.state', content: '{"state":"simple"}' }],
    next: { name: 'i0.state-1', content: '{"state":"simple"}' },
    attempts: [
      { attempt: 1, session: SESSION, worker: 'evil', started: '', ended: '', result: 'lost' },
    ],
  },
  {
    flockwork: 1,
    state: 'i0.state',
    session: SESSION,
    worker: 'e',
    at: '',
    code: 'c',
    reason: 'r',
    file: 'f',
  },
  {
    flockwork: 1,
    id: 'a',
    file: EVENT,
    outcome: 'Ok',
    reason: '',
    session: SESSION,
    worker: 'e',
    at: '',
  },
  {
    attempt: 1,
    session: SESSION,
    worker: 'e',
    started: '',
    ended: '',
    result: 'failed',
    notBefore: 'x',
  },
  { event: 'go', details: { a: 1 }, delay: 5, grace: 1, since: 'i0.state' },
  {
    started: '2026-01-01T00:00:00.000Z',
    duration: 1,
    state: 'i0.state',
    result: 'done',
    machine: 'simple',
  },
];

const deep = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels);
const odd = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    -1,
    0,
    1e308,
    2 ** 53,
    0.5,
    '',
    '../../x',
    'a/b',
    '/etc/passwd',
    '\0',
    '..',
  ),
  fc.constantFrom<unknown>(
    [],
    {},
    [[]],
    { __proto__: null, constructor: 1 },
    true,
    'x'.repeat(300),
  ),
  fc.jsonValue({ maxDepth: 3 }),
);

/** A sample with some values replaced or dropped, at any depth. */
const twisted = fc
  .record({
    sample: fc.nat(SAMPLES.length - 1),
    twists: fc.array(fc.record({ at: fc.nat(40), value: odd, drops: fc.boolean() }), {
      maxLength: 3,
    }),
  })
  .map(({ sample, twists }) => {
    const copy = structuredClone(SAMPLES[sample]!) as Record<string, unknown>;
    for (const { at, value, drops } of twists) {
      const places: [Record<string, unknown>, string][] = [];
      const visit = (one: Record<string, unknown>): void => {
        for (const [key, inner] of Object.entries(one)) {
          places.push([one, key]);
          if (typeof inner === 'object' && inner !== null) visit(inner as Record<string, unknown>);
        }
      };
      visit(copy);
      const [parent, key] = places[at % places.length] ?? [copy, 'x'];
      if (drops) delete parent[key];
      // A copy, since another twist may change it or insert it into itself.
      else parent[key] = structuredClone(value);
    }
    return `${JSON.stringify(copy)}\n`;
  });
const content = fc.oneof(
  { weight: 6, arbitrary: twisted },
  { weight: 1, arbitrary: fc.array(twisted, { maxLength: 4 }).map((lines) => lines.join('')) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 200 }) },
  {
    weight: 1,
    arbitrary: fc.constantFrom('', '0', '000000000000007\n', '999999999999999\n', deep(50_000)),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(`{"state":${deep(5000)}}`, `{"a":"${'x'.repeat(200_000)}"}`),
  },
);
const entry = fc.record({
  directory: fc.constantFrom(...DIRECTORIES),
  name: fc.oneof(
    { weight: 5, arbitrary: fc.constantFrom(...NAMES) },
    { weight: 1, arbitrary: fc.stringMatching(/^[a-z@~+.-]{1,20}$/) },
  ),
  content,
  kind: fc.constantFrom(
    'file',
    'file',
    'file',
    'file',
    'file',
    'file',
    'directory',
    'link',
    'dangling',
  ),
});
const volumeOfOthers = fc.array(entry, { minLength: 1, maxLength: 12 });
type Entry = typeof entry extends fc.Arbitrary<infer One> ? One : never;

function put(
  volume: TestVolume,
  outside: string,
  { directory, name, content: text, kind }: Entry,
): void {
  const path = join(volume.dir, directory, name);
  if (dirname(path) !== join(volume.dir, directory)) return;
  try {
    mkdirSync(dirname(path), { recursive: true });
    // Not through a symbolic link of this test, which leads outside.
    if (lstatSync(dirname(path)).isSymbolicLink()) return;
    if (kind === 'directory') mkdirSync(path);
    else if (kind === 'link') symlinkSync(outside, path);
    else if (kind === 'dangling') symlinkSync('/nonexistent', path);
    else writeFileSync(path, text, { flag: 'wx' });
  } catch {
    // The entry exists, or its parent is not a directory.
  }
}

/** Errno errors and reported problems are expected; a TypeError is a bug. */
async function survive(what: string, act: () => Promise<unknown>): Promise<void> {
  const began = performance.now();
  try {
    await act();
  } catch (error) {
    const isReported = error instanceof UserError || (error as Error).name === 'Error';
    if (errnoOf(error) === undefined && !isReported) {
      throw new Error(`${what}: ${(error as Error).stack}`, { cause: error });
    }
  }
  const took = performance.now() - began;
  if (took > MAX_CALL_MS)
    throw new Error(`expected ${what} within ${MAX_CALL_MS} ms, got ${took} ms`);
}

async function work(volume: TestVolume, ant: TestSession): Promise<void> {
  const { session } = ant;
  for (let cycle = 0; cycle < 6; cycle += 1) {
    volume.pass(4000);
    ant.beat();
    await survive('glance', () => session.readRoster());
    let names: readonly string[] = [];
    await survive(
      'snapshot',
      async () =>
        ({
          tasks: { names },
        } = await session.snapshot()),
    );
    await survive('register', () => session.register(OPEN));
    for (const name of names.slice(0, 8)) {
      await survive('claim', () => session.claim(name, OPEN));
      await survive('intake', () => session.readState(name));
      await survive('events', () => session.events(name));
      await survive('history', () => session.history(name));
    }
    await survive('settle', () => session.settle(names.slice(0, 4).map(bareStep), OPEN));
    await survive('recover', () =>
      session.recover(cycle, OPEN, { isHeld: () => false, all: true }),
    );
    await survive('bring back', () => session.bringBack(cycle, OPEN, async () => true));
    await survive('archive', () => session.archive(cycle, OPEN, () => false));
    await survive('unfinished commits', () => session.countUnfinishedCommits());
    await survive('sessions', () => session.sessions());
  }
}

async function look(volume: TestVolume): Promise<void> {
  const { layout } = volume;
  const files = new NodeFiles({ durable: false });
  const all = (): boolean => true;
  await survive('overview', () => readOverview(files, layout));
  await survive('tails', () => readTails(files, layout));
  await survive('instances', async () => {
    const lists = new InstanceLists(files, layout, () => 0);
    for (const status of [undefined, 'failed', 'waiting', 'done', 'archived'] as const) {
      await lists.list({ ...(status && { status }) }, { limit: 1000 });
    }
  });
  await survive('counts', () => countInstances(files, layout));
  await survive('ticks', () => readTicks(files, layout, undefined, { limit: 1000 }));
  await survive('results', async () => {
    for await (const result of readResults(files, layout, all)) JSON.stringify(result);
  });
  await survive('pending', async () => {
    for (const event of [...(await listPending(files, layout)).values()].flat()) {
      await readPending(files, layout, event);
    }
  });
  await survive('outcome', () => eventStatus(files, layout, 'a'));
  await survive('configurations', async () => {
    for (const key of await listConfigurations(files, layout))
      await getConfiguration(files, layout, key);
  });
}

async function reset(volume: TestVolume): Promise<void> {
  const { layout } = volume;
  const files = new NodeFiles({ durable: false });
  await survive('reset --done', () => resetDone(files, layout));
  await survive('reset --failed', () => resetFailed(files, layout));
  await survive('reset --in-progress', () => resetInProgress(files, layout, new Set()));
  await survive('reset --workers', () => resetTraces(files, layout, new Set()));
}

const looksOf = (directory: string): string[] =>
  readdirSync(directory)
    .sort()
    .map((name) => {
      const { mode, size } = lstatSync(join(directory, name));
      return `${name} ${mode} ${size} ${readFileSync(join(directory, name), 'utf8')}`;
    });

test(
  `readers survive hostile volumes for ${SECONDS} seconds`,
  async () => {
    const outside = mkdtempSync(join(tmpdir(), 'flockwork-outside-'));
    writeFileSync(join(outside, 'i0.state'), 'precious');
    writeFileSync(join(outside, 'a'), 'precious');
    chmodSync(join(outside, 'a'), 0o600);
    const before = looksOf(outside);
    const around = new Set(readdirSync(tmpdir()));
    let volumes = 0;
    const property = fc.asyncProperty(volumeOfOthers, async (entries) => {
      using volume = await TestVolume.create();
      volumes += 1;
      for (const one of entries) put(volume, outside, one);
      const ant = await volume.join('ant');
      await look(volume);
      await work(volume, ant);
      await look(volume);
      await reset(volume);
      await ant.session.leave().catch((error: unknown) => {
        if (errnoOf(error) === undefined) throw error;
      });
      expect(looksOf(outside)).toEqual(before);
    });
    try {
      // Whole seeds: a property that is interrupted would go on beside the next test.
      const ends = performance.now() + SECONDS * 1000;
      for (let seed = FIRST_SEED; performance.now() < ends; seed += 1) {
        await fc.assert(property, { seed, numRuns: VOLUMES_PER_SEED });
      }
    } finally {
      rmSync(outside, { recursive: true, force: true });
    }
    console.log(`${volumes} volumes`);
    expect(volumes).toBeGreaterThan(10);
    // Nothing was created beside the volumes, which are removed one by one.
    const made = readdirSync(tmpdir()).filter(
      (name) => !around.has(name) && /state|cron/.test(name),
    );
    expect(made).toEqual([]);
  },
  SECONDS * 1000 + 600_000,
);
