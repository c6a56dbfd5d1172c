/** A user who can write to a volume writes anything there: nothing outside of it is made, changed or removed, and nothing waits. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { eventIdProblem, eventKey, isEventName } from '../../src/machine/event.ts';
import {
  appliedKeys,
  parseCommitRecord,
  parseRejection,
  type CommitRecord,
} from '../../src/machine/record.ts';
import { fitToken, formatToken, MAX_TOKEN_BYTES, parseToken } from '../../src/volume/token.ts';
import { getConfiguration, listConfigurations } from '../../src/volume/configurations.ts';
import { InstanceLists, readResults } from '../../src/volume/instances.ts';
import { Layout } from '../../src/volume/layout.ts';
import { resetDone, resetTraces } from '../../src/volume/admin.ts';
import { NodeFiles } from '../../src/volume/node-files.ts';
import { readOverview } from '../../src/volume/overview.ts';
import { Pulse } from '../../src/volume/heartbeat.ts';
import { errno, interceptFiles, OPEN, quickFiles, TestVolume } from './harness.ts';

let outside: string;
const precious = (): string => join(outside, 'precious');

beforeEach(() => {
  outside = mkdtempSync(join(tmpdir(), 'flockwork-outside-'));
  writeFileSync(precious(), 'precious');
});
afterEach(() => {
  try {
    expect(readdirSync(outside)).toEqual(['precious']);
    expect(readFileSync(precious(), 'utf8')).toBe('precious');
  } finally {
    rmSync(outside, { recursive: true, force: true });
  }
});

const TOKEN = {
  flockwork: 1,
  session: 'ant.aaaaaaaa',
  worker: 'ant',
  host: 'h',
  pid: 1,
  started: '2026-01-01T00:00:00.000Z',
  concurrency: 1,
  capacity: 1,
  machines: ['simple'],
} as const;
const EVENT = '20260101T000000.000Z~a@x';
const RECORD: CommitRecord = {
  flockwork: 1,
  state: 'x.state',
  session: 'ant.aaaaaaaa',
  worker: 'ant',
  started: '2026-01-01T00:00:00.000Z',
  finished: '2026-01-01T00:00:01.000Z',
  events: [{ file: EVENT, id: 'a', outcome: 'Ok', from: 's' }],
  emit: [{ name: EVENT, content: '{}' }],
  branches: [{ name: 'y.state', content: '{}' }],
  next: { name: 'x.state-1', content: '{}' },
};

/** Names as an attacker would choose them to leave the volume; and any text at all. */
const hostileName = fc.oneof(
  fc.constantFrom('../x.state', '/etc/passwd', '..', '.', '', 'a/../../x.state', 'x\0.state', '-'),
  fc.constantFrom('../../20260101T000000.000Z~a@x', `${EVENT}/../../../x`, '.../x.state-1', 'a/b'),
  fc.string({ unit: 'binary', maxLength: 300 }),
  fc.string({ unit: 'grapheme-ascii', minLength: 200, maxLength: 300 }).map((it) => `${it}.state`),
);
/** Part of a path that leads to an entry of the directory before it, and nowhere else. */
const isEntry = (name: string): boolean =>
  name !== '' &&
  name !== '.' &&
  name !== '..' &&
  !/[/\0]/.test(name) &&
  Buffer.byteLength(name) < 256;

describe('what is read is a name of its kind, or not taken', () => {
  test('tokens: sessions and workers', () => {
    expect(parseToken(formatToken(TOKEN))).toEqual(TOKEN);
    fc.assert(
      fc.property(hostileName, fc.constantFrom('session', 'worker'), (name, key) => {
        const token = parseToken(JSON.stringify({ ...TOKEN, [key]: name }));
        expect(token === undefined || isEntry(name)).toBe(true);
      }),
    );
  });

  test.each([
    ['more than anybody needs', { concurrency: 1e9 }],
    ['a capacity beyond all numbers', { capacity: 2 ** 53 - 1 }],
    ['a fraction', { concurrency: 0.5 }],
    ['more bytes than a token has', { host: 'h'.repeat(MAX_TOKEN_BYTES) }],
  ])('tokens: not with %s', (_what, more) => {
    expect(parseToken(JSON.stringify({ ...TOKEN, ...more }))).toBeUndefined();
  });

  test('records: what follows, what is caused, what was taken up', () => {
    const text = JSON.stringify(RECORD);
    expect(parseCommitRecord(text, 'x.state')).toEqual(RECORD);
    fc.assert(
      fc.property(hostileName, (name) => {
        for (const hostile of [
          { next: { name, content: '' } },
          { branches: [{ name, content: '' }] },
          { emit: [{ name, content: '' }] },
          { events: [{ ...RECORD.events![0], file: name }] },
        ]) {
          const record = parseCommitRecord(JSON.stringify({ ...RECORD, ...hostile }), 'x.state');
          expect(record === undefined || isEntry(name)).toBe(true);
          expect(appliedKeys(record).every(isEntry)).toBe(true);
        }
        const verdict = { ...RECORD, id: 'x', file: name, outcome: 'Ok', reason: '', at: '' };
        expect(parseRejection(JSON.stringify(verdict)) === undefined || isEntry(name)).toBe(true);
        expect(!isEventName(name) || isEntry(name)).toBe(true);
        // An id is any text: its key is the name.
        expect(eventIdProblem(name) !== undefined || isEntry(eventKey(name))).toBe(true);
      }),
    );
  });

  test('configurations: neither looked for nor listed under what is no name', async () => {
    using volume = await TestVolume.create();
    const directory = join(volume.dir, '.flockwork/configurations');
    mkdirSync(directory);
    for (const name of ['a@1', 'a b@1', 'a@-', '@eaDir', '.a@1'])
      writeFileSync(join(directory, name), '');
    expect(await listConfigurations(quickFiles(), volume.layout)).toEqual([
      { name: 'a', version: '1' },
    ]);
    const asked: string[] = [];
    const { files } = interceptFiles(quickFiles(), async (_call, _method, [path], act) => {
      asked.push(path!);
      return act();
    });
    await fc.assert(
      fc.asyncProperty(hostileName, async (name) => {
        await getConfiguration(files, volume.layout, { name, version: '1' });
        await getConfiguration(files, volume.layout, { name: 'a', version: name });
      }),
    );
    for (const path of asked) expect(isEntry(path.slice(directory.length + 1))).toBe(true);
  });
});

test('a worker whose machines have too long names declares them without their states, or not at all', () => {
  const names = (count: number): string[] =>
    Array.from({ length: count }, (_, index) => `machine-${index}`.padEnd(60, 'x'));
  const states = Object.fromEntries(names(1000).map((name) => [name, ['a']]));
  expect(fitToken({ ...TOKEN, states: { simple: ['a'] } })).toHaveProperty('states');
  const short = fitToken({ ...TOKEN, machines: names(900), states });
  expect(short).not.toHaveProperty('states');
  expect(parseToken(formatToken(short))).toEqual(short);
  expect(() => fitToken({ ...TOKEN, machines: names(2000) })).toThrow('fewer --machines');
});

describe('links are not followed', () => {
  test('in no call', async () => {
    const directory = join(outside, '..', `${outside.split('/').at(-1)}-links`);
    mkdirSync(directory);
    try {
      const files = new NodeFiles();
      const [file, folder] = [join(directory, 'file'), join(directory, 'folder')];
      symlinkSync(precious(), file);
      symlinkSync(outside, folder);
      await expect(files.read(file)).rejects.toThrow('ELOOP');
      await expect(files.overwrite(file, 'mine')).rejects.toThrow('ELOOP');
      await expect(files.append(file, 'mine')).rejects.toThrow('ELOOP');
      await expect(files.create(file, 'mine')).rejects.toThrow('EEXIST');
      await expect(files.list(folder)).rejects.toThrow('ENOTDIR');
      await expect(files.names(folder).next()).rejects.toThrow('ENOTDIR');
      // The volume itself may be one.
      expect(await files.list(new Layout(folder).entries)).toEqual(['precious']);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  test('a lease that has become one is lost, not written through', () => {
    const rewrite = (): number => {
      throw errno('ELOOP');
    };
    const pulse = new Pulse({ now: Date.now, monotonic: () => 0, rewrite }, 0);
    expect(pulse.beat(1)).toEqual({ kind: 'broken' });
  });

  test('a volume that is reached by one shows what arrives there', async () => {
    using volume = await TestVolume.create();
    const link = `${volume.dir}-link`;
    symlinkSync(volume.dir, link);
    try {
      const layout = new Layout(link);
      const { census } = await readOverview(new NodeFiles(), layout);
      expect(census.available).toBe(0);
      volume.put('a.state');
      expect((await readOverview(new NodeFiles(), layout)).census.available).toBe(1);
      volume.put('done/a.state', '');
      const lists = new InstanceLists(new NodeFiles(), layout, () => 0);
      const { instances } = await lists.list({}, { limit: 10 });
      expect(instances.map(({ instance }) => instance)).toEqual(['a']);
      const results: string[] = [];
      for await (const { instance } of readResults(new NodeFiles(), layout, () => true)) {
        results.push(instance);
      }
      expect(results).toEqual(['a']);
    } finally {
      rmSync(link);
    }
  });

  test('among the directories of dead sessions: nothing of what they lead to is removed, and the sessions are recovered', async () => {
    using volume = await TestVolume.create();
    volume.put('a.state');
    const [ant, bee] = [await volume.join('ant'), await volume.join('bee')];
    await bee.session.claim('a.state', OPEN);
    volume.put('done/x.state', '');
    symlinkSync(outside, join(volume.dir, '.flockwork/staging/evil.aaaaaaaa'));
    symlinkSync(outside, join(volume.dir, '.flockwork/attempts/x.state'));
    await volume.expire(ant);
    expect(existsSync(join(volume.dir, 'in_progress/a.state'))).toBe(false);
    await resetTraces(new NodeFiles(), volume.layout, new Set());
  });

  test('a record that names what is outside begins nothing there, and takes nothing away', async () => {
    using volume = await TestVolume.create();
    const at = `../${outside.split('/').at(-1)}`;
    const record = {
      ...RECORD,
      session: 'evil.aaaaaaaa',
      events: [{ ...RECORD.events![0], file: `../${at}/precious` }],
      emit: [],
      branches: [],
      next: { name: `${at}/made`, content: 'made' },
    };
    const ant = await volume.join('ant');
    mkdirSync(join(volume.dir, '.flockwork/staging/evil.aaaaaaaa'));
    for (const place of ['done', '.flockwork/staging/evil.aaaaaaaa']) {
      volume.put(`${place}/x.state`, `${JSON.stringify(record)}\n`);
    }
    volume.put('x.state');
    await volume.expire(ant);
    await resetDone(new NodeFiles(), volume.layout);
  });
});

describe('one bad entry stops one entry', () => {
  test('a directory in the place of a lease, or of a claim', async () => {
    using volume = await TestVolume.create();
    volume.put('a.state');
    const [ant, bee] = [await volume.join('ant'), await volume.join('bee')];
    await bee.session.claim('a.state', OPEN);
    const lease = join(volume.dir, '.flockwork/leases', bee.session.token.session);
    rmSync(lease);
    mkdirSync(lease);
    mkdirSync(join(volume.dir, 'in_progress/b.state'));
    await volume.expire(ant);
    expect(volume.list('in_progress')).toEqual(['b.state']);
  });

  test('a claim that may not be read is named once, and the claims of dead sessions are released', async () => {
    using volume = await TestVolume.create();
    for (const name of ['a.state', 'b.state']) volume.put(name);
    const bee = await volume.join('bee');
    const { files } = interceptFiles(quickFiles(), async (_call, method, [path], act) => {
      if (method === 'read' && path?.endsWith('in_progress/b.state')) throw errno('EACCES');
      return act();
    });
    const ant = await volume.join('ant', files);
    for (const name of ['a.state', 'b.state']) await bee.session.claim(name, OPEN);
    const told: string[] = [];
    for (let cycle = 0; cycle < 12; cycle += 1) {
      volume.pass(3000);
      ant.beat();
      told.push(...(await ant.session.recover(cycle, OPEN)).passedOver);
    }
    expect(told).toEqual(['in_progress/b.state (EACCES)']);
    expect(volume.list('in_progress')).toEqual(['b.state']);
    expect(await ant.session.countUnfinishedCommits()).toBe(0);
    const { inProgress } = await readOverview(new NodeFiles(), volume.layout);
    expect(inProgress.map(({ state }) => state)).toEqual(['b.state']);
  });

  test('what says something about the volume is no such entry', async () => {
    using volume = await TestVolume.create();
    volume.put('a.state');
    const bee = await volume.join('bee');
    await bee.session.claim('a.state', OPEN);
    const { files } = interceptFiles(quickFiles(), async (_call, method, [path], act) => {
      if (method === 'read' && path?.endsWith('in_progress/a.state')) throw errno('EIO');
      return act();
    });
    const ant = await volume.join('ant', files);
    await ant.session.recover(0, OPEN);
    volume.pass(3000);
    await expect(ant.session.recover(1, OPEN)).rejects.toThrow('EIO');
  });

  test('status reads what may be read, whatever a worker says of what it holds', async () => {
    using volume = await TestVolume.create();
    volume.put('a.state');
    const ant = await volume.join('ant');
    await ant.session.claim('a.state', OPEN);
    const { session } = ant.session.token;
    for (const text of ['{"map":1}', '[1]', '[', '[{"state":{}}]', '']) {
      volume.put(`.flockwork/journal/${session}.held`, text);
      const { inProgress } = await readOverview(new NodeFiles(), volume.layout);
      expect(inProgress).toMatchObject([{ state: 'a.state', held: undefined }]);
    }
    class Kept extends NodeFiles {
      override async read(path: string): Promise<Uint8Array> {
        if (/(sessions|in_progress)\//.test(path)) throw errno('EACCES');
        return super.read(path);
      }
    }
    const { inProgress, sessions } = await readOverview(new Kept(), volume.layout);
    expect(inProgress).toMatchObject([{ state: 'a.state', token: undefined }]);
    expect(sessions).toEqual([]);
  });
});

test('what an open file leaves behind on NFS keeps no session from leaving', async () => {
  using volume = await TestVolume.create();
  volume.put('a.state');
  const { files } = interceptFiles(quickFiles(), async (_call, method, [path], act) => {
    if (method === 'unlink' && path?.includes('/.nfs')) throw errno('EBUSY');
    return act();
  });
  const ant = await volume.join('ant', files);
  const { session } = ant.session.token;
  mkdirSync(join(volume.dir, '.flockwork/staging', session));
  volume.put(`.flockwork/staging/${session}/.nfs0001`, 'open');
  await ant.session.leave();
  expect(volume.list('.flockwork/leases')).toEqual([]);
});

test('the last step that a name can have is put aside, with the reason: nothing could follow it', async () => {
  using volume = await TestVolume.create();
  volume.put('c.state-9007199254740991', { state: 'countdown', payload: { count: 2 } });
  volume.put('c.state-9007199254740990', { state: 'countdown', payload: { count: 2 } });
  const ant = await volume.join('ant');
  const last = await ant.session.readState('c.state-9007199254740991');
  expect(last).toMatchObject({ kind: 'bad', code: 'bad-name' });
  expect(last).toMatchObject({
    reason: expect.stringContaining('the largest possible'),
  });
  expect(await ant.session.readState('c.state-9007199254740990')).toMatchObject({ kind: 'text' });
});
