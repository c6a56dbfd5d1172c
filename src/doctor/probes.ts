/** Probes of single properties in this process. `judge.ts` judges their results. */
import { readText } from '../volume/atomic-files.ts';
import { errnoOf } from '../volume/files.ts';
import type {
  Durable,
  LinkLimit,
  Links,
  Listing,
  Modes,
  NameSupport,
  Replacing,
} from './measured.ts';
import type { Bench } from './ports.ts';

const PERMISSION_BITS = 0o7777;
const STICKY_BIT = 0o1000;
const MAX_NAME_BYTES = 255;
const MIN_LINKS_TRIED = 110;
const MAX_LINKS_TRIED = 1100;
const LINK_PROBE_MS = 1000;

/** Returns the errno of a rejected promise, undefined if it resolved. Rethrows errors without an errno. */
export async function errnoFrom(trial: Promise<unknown>): Promise<string | undefined> {
  try {
    await trial;
    return undefined;
  } catch (error) {
    const code = errnoOf(error);
    if (code === undefined) throw error;
    return code;
  }
}

export async function probeModes({ files, directory, places }: Bench): Promise<Modes> {
  const path = `${places[0]}/modes`;
  const wanted =
    ((await files.stat(`${directory}/.`))?.mode ?? 0o755) & PERMISSION_BITS & ~STICKY_BIT;
  await files.makeDirectory(path);
  const errno = await errnoFrom(files.chmod(path, wanted));
  const mode = (await files.stat(path))?.mode;
  return { wanted, got: mode === undefined ? undefined : mode & PERMISSION_BITS, errno };
}

/** Links two files to one name: the second link must be refused. */
export async function probeLinks({ files, host, places }: Bench): Promise<Links> {
  const at = (name: string): string => `${places[0]}/${name}`;
  await files.create(at('one'), 'one');
  await files.create(at('two'), 'two');
  const errno = await errnoFrom(files.link(at('one'), at('name')));
  if (errno !== undefined) return { errno, refusal: undefined, kept: false, count: 1 };
  const refusal = await errnoFrom(files.link(at('two'), at('name')));
  const kept = (await readText(files, at('name'))) === 'one';
  return { errno, refusal, kept, count: host.linkCount(at('one')) };
}

/** Known limits: GlusterFS 100 by default, on bricks of ext4 47; NTFS 1023. */
export async function probeLinkLimit({ files, clock, places }: Bench): Promise<LinkLimit> {
  const directory = `${places[0]}/links`;
  await files.makeDirectory(directory);
  await files.create(`${directory}/0`, '');
  const until = clock.monotonic() + LINK_PROBE_MS;
  let reached = 1;
  for (; reached < MAX_LINKS_TRIED; reached += 1) {
    if (reached >= MIN_LINKS_TRIED && clock.monotonic() > until) break;
    const errno = await errnoFrom(files.link(`${directory}/0`, `${directory}/${reached}`));
    if (errno !== undefined) return { reached, errno };
  }
  return { reached, errno: undefined };
}

export async function probeDurable({ files, places }: Bench): Promise<Durable> {
  const path = `${places[0]}/durable`;
  const content = 'written content\n'.repeat(64);
  await files.create(path, content);
  const fileErrno = await errnoFrom(files.sync(path));
  const directoryErrno = await errnoFrom(files.sync(places[0]!));
  return { intact: (await readText(files, path)) === content, fileErrno, directoryErrno };
}

/** Lists the directory before the change, so that a cache has a stale listing. */
export async function probeListing({ files, places }: Bench): Promise<Listing> {
  await files.list(places[0]!);
  await files.create(`${places[0]}/fresh`, '');
  return { fresh: (await files.list(places[0]!)).includes('fresh') };
}

export async function probeNames({ files, places }: Bench): Promise<NameSupport> {
  const at = (name: string): string => `${places[0]}/${name}`;
  const foreign = 'größe-大きさ';
  await files.create(at('Case'), '');
  const longErrno = await errnoFrom(files.create(at('x'.repeat(MAX_NAME_BYTES)), ''));
  const foreignErrno = await errnoFrom(files.create(at(foreign), ''));
  const listed = (await files.list(places[0]!)).includes(foreign);
  return {
    caseSensitive: (await files.stat(at('cASE'))) === undefined,
    longErrno,
    utf8: foreignErrno === undefined && listed,
  };
}

export async function probeReplacing({ files, places }: Bench): Promise<Replacing> {
  const at = (name: string): string => `${places[0]}/${name}`;
  await files.create(at('old'), 'old');
  await files.create(at('new'), 'new');
  const renameErrno = await errnoFrom(files.rename(at('new'), at('old')));
  const replaced = (await readText(files, at('old'))) === 'new';
  await files.makeDirectory(at('full'));
  await files.create(at('full/file'), '');
  const removeErrno = await errnoFrom(files.removeDirectory(at('full')));
  return { renameErrno, replaced, removeErrno };
}
