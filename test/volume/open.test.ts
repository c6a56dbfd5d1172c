import { mkdirSync, symlinkSync, writeFileSync, chmodSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Sink } from '../../src/volume/files.ts';
import { Layout } from '../../src/volume/layout.ts';
import { NodeFiles } from '../../src/volume/node-files.ts';
import { openVolume, readVolume, refuseMounts, type OpenOptions } from '../../src/volume/open.ts';
import { errno, interceptFiles, TestVolume } from './harness.ts';

const PHASES = { assignment: 150, commitment: 150, update: 400, buffer: 100 };
const options = (more: Partial<OpenOptions> = {}): OpenOptions => ({
  defaults: { phases: PHASES, lease: 10_000 },
  newId: () => 'another-id',
  now: 0,
  ...more,
});

describe('a directory of the volume that is a mount of its own', () => {
  test('is refused by its name; the check changes nothing', async () => {
    using volume = await TestVolume.create();
    const before = ['.', 'done', '.flockwork'].map((path) => volume.list(path));
    await refuseMounts(new NodeFiles(), volume.layout);
    expect(['.', 'done', '.flockwork'].map((path) => volume.list(path))).toEqual(before);
    const { files } = interceptFiles(new NodeFiles(), async (_call, method, [, to], act) => {
      if (method === 'rename' && to?.includes('/done/')) throw errno('EXDEV');
      return act();
    });
    await expect(refuseMounts(files, volume.layout)).rejects.toMatchObject({
      code: 'unusable-volume',
      message: expect.stringContaining(`cannot set flags in ${volume.dir}/done: it is a mount`),
    });
  });

  test.each([true, false])('is refused as a subvolume if a link is refused (%s)', async (says) => {
    using volume = await TestVolume.create();
    const inner = new NodeFiles();
    const { files } = interceptFiles(inner, async (_call, method, [path, to], act) => {
      if (method === 'link' && says && to?.includes('/done/')) throw errno('EXDEV');
      if (method !== 'stat' || !path!.endsWith('/done')) return act();
      return { ...(await inner.stat(path!))!, device: -1 };
    });
    const refused = refuseMounts(files, volume.layout);
    if (says) await expect(refused).rejects.toMatchObject({ code: 'unusable-volume' });
    else await refused;
    expect(volume.list('done')).toEqual([]);
  });
});

describe('joining a volume that is full', () => {
  test.each([
    ['when the lease is created', 'create', '/leases/'],
    ['when the lease is renewed', 'overwrite', '/leases/'],
    ['when the token is written', 'create', '/sessions/'],
  ])('%s leaves no files and no running heartbeat', async (_where, refused, place) => {
    using volume = await TestVolume.create();
    const { files } = interceptFiles(new NodeFiles(), async (_call, method, [path], act) => {
      if (method !== refused || !path!.includes(place)) return act();
      // Like a full disk: the name exists, and has no content.
      if (method === 'create') writeFileSync(path!, '');
      throw errno('ENOSPC');
    });
    await expect(volume.join('ant', files)).rejects.toMatchObject({ code: 'ENOSPC' });
    for (const part of ['leases', 'sessions', 'staging']) {
      expect(volume.list('.flockwork', part)).toEqual([]);
    }
    expect(volume.beating).toBe(0);
  });
});

describe('opening a volume', () => {
  test('the first worker chooses the phases; the others adopt them', async () => {
    using volume = await TestVolume.create();
    const again = await openVolume(new NodeFiles(), volume.layout, options());
    expect(again).toEqual(volume.volume);
    expect(again.id).toBe('volume-id');
  });

  test('accepts the phases that the volume uses; the error for others names those in use', async () => {
    using volume = await TestVolume.create();
    await openVolume(
      new NodeFiles(),
      volume.layout,
      options({ phases: { update: 400 }, lease: 10_000 }),
    );
    const other = openVolume(new NodeFiles(), volume.layout, options({ phases: { update: 3000 } }));
    await expect(other).rejects.toMatchObject({
      code: 'phases-differ',
      message: expect.stringContaining('--update 400ms'),
    });
  });

  test('two workers that open it at the same moment use the same phases', async () => {
    using volume = await TestVolume.create();
    const fresh = join(volume.dir, 'fresh');
    mkdirSync(fresh);
    const layout = new Layout(fresh);
    const opened = await Promise.all(
      [1, 2, 3].map((number) =>
        openVolume(new NodeFiles(), layout, options({ newId: () => `id-${number}` })),
      ),
    );
    expect(new Set(opened.map(({ id }) => id)).size).toBe(1);
  });

  test('creates directories that the whole fleet can write to', async () => {
    using volume = await TestVolume.create();
    const shared = join(volume.dir, 'shared');
    mkdirSync(shared);
    chmodSync(shared, 0o1777);
    await openVolume(new NodeFiles(), new Layout(shared), options());
    expect(statSync(join(shared, 'in_progress')).mode & 0o7777).toBe(0o777);
    expect(statSync(join(shared, '.flockwork/leases')).mode & 0o7777).toBe(0o777);
  });

  test('accepts a symbolic link to a directory', async () => {
    using volume = await TestVolume.create();
    symlinkSync(volume.dir, join(volume.dir, 'link'));
    const linked = new Layout(join(volume.dir, 'link'));
    expect((await readVolume(new NodeFiles(), linked))?.id).toBe('volume-id');
  });

  test('reads one name of the directory only: there may be a million', async () => {
    using volume = await TestVolume.create();
    for (let index = 0; index < 10; index += 1) volume.put(`s${index}.state`);
    let names = 0;
    const inner = new NodeFiles();
    const { files } = interceptFiles(inner, async (_call, method, args, act) => {
      if (method !== 'list') return act();
      const [directory, into] = args as unknown as [string, Sink];
      return inner.list(directory, {
        push: (name) => {
          names += 1;
          into.push(name);
        },
      });
    });
    expect((await readVolume(files, volume.layout))?.id).toBe('volume-id');
    expect(names).toBe(1);
  });

  test.each([
    ['nothing there', 'missing', 'no-volume', 'there is no directory'],
    ['a file', 'file', 'no-volume', 'is not a directory'],
  ])('%s is refused', async (_what, name, code, words) => {
    using volume = await TestVolume.create();
    writeFileSync(join(volume.dir, 'file'), '');
    const opening = openVolume(new NodeFiles(), new Layout(join(volume.dir, name)), options());
    await expect(opening).rejects.toMatchObject({ code, message: expect.stringContaining(words) });
  });

  test.each(['', 'hello', '{"flockwork": 2}', '{"flockwork": 1, "id": ""}'])(
    'refuses a volume.json with content %j, and keeps it',
    async (text) => {
      using volume = await TestVolume.create();
      volume.put('.flockwork/volume.json', text);
      await expect(openVolume(new NodeFiles(), volume.layout, options())).rejects.toMatchObject({
        code: 'bad-volume',
      });
      expect(volume.read('.flockwork/volume.json')).toBe(text);
    },
  );

  test.each(['EROFS', 'EACCES', 'ENOSPC', 'ENOTSUP', 'ESTALE'])('%s is explained', async (code) => {
    using volume = await TestVolume.create();
    const fresh = join(volume.dir, 'fresh');
    mkdirSync(fresh);
    const { files } = interceptFiles(new NodeFiles(), async (_call, method, _args, act) => {
      if (['makeDirectory', 'link', 'create'].includes(method)) throw errno(code);
      return act();
    });
    await expect(openVolume(files, new Layout(fresh), options())).rejects.toMatchObject({
      code: 'unusable-volume',
      message: expect.stringContaining(code),
    });
  });

  test.each([{ update: 0 }, { buffer: -1 }, { assignment: 0.5 }])(
    'phases %o are refused',
    async (phases) => {
      using volume = await TestVolume.create();
      const fresh = join(volume.dir, 'fresh');
      mkdirSync(fresh);
      await expect(
        openVolume(new NodeFiles(), new Layout(fresh), options({ phases })),
      ).rejects.toMatchObject({ code: 'bad-phases' });
    },
  );
});
