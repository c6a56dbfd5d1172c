import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { watchVolume } from '../../src/api/node-ports.ts';
import type { Log } from '../../src/engine/ports.ts';

let root: string;
let close: () => Promise<void> = () => Promise.resolve();
let hints: (string | undefined)[];
let warnings: unknown[];

const log: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: (facts) => void warnings.push(facts),
  error: (facts) => void warnings.push(facts),
};

async function until(what: string, holds: () => boolean): Promise<void> {
  const end = Date.now() + 30_000;
  while (!holds()) {
    if (Date.now() > end) throw new Error(`waited until ${what}; hints: ${hints.join(', ')}`);
    await new Promise((wake) => setTimeout(wake, 5));
  }
}

async function start(maxChokidarEntries?: number): Promise<void> {
  close = await watchVolume(root, log, maxChokidarEntries)((name) => void hints.push(name));
}

/** inotify watches of this process. */
function watches(): number {
  const texts = readdirSync('/proc/self/fdinfo').map((fd) => {
    try {
      return readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8');
    } catch {
      return '';
    }
  });
  return texts.join('\n').match(/^inotify /gm)?.length ?? 0;
}

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'flockwork-wake-'));
  mkdirSync(join(root, 'events'));
  mkdirSync(join(root, '.flockwork'));
  hints = [];
  warnings = [];
});

afterEach(async () => {
  await close();
  rmSync(root, { recursive: true, force: true });
});

describe('watchVolume', () => {
  test('reports new files in the root and in events/ with one inotify watch for each directory', async () => {
    const before = watches();
    for (let index = 0; index < 300; index += 1) writeFileSync(join(root, `s${index}.state`), '');
    await start();
    // Both directories say when they are being watched.
    await until('it watches', () => hints.filter((name) => name === undefined).length === 2);
    expect(watches() - before).toBe(3);
    writeFileSync(join(root, 'new.state'), '{}');
    writeFileSync(join(root, 'events', 'one'), '{}');
    await until('both are told', () => hints.includes('new.state') && hints.includes('events/one'));
    expect(hints.filter((name) => name?.startsWith('s'))).toEqual([]);
    expect(watches() - before).toBe(3);
  });

  test('reports when the volume is paused and resumed, and nothing else of .flockwork/', async () => {
    await start();
    const marker = join(root, '.flockwork/paused');
    const told = (): number => hints.filter((name) => name === '.flockwork/paused').length;
    writeFileSync(join(root, '.flockwork/volume.json'), '{}');
    writeFileSync(marker, '');
    await until('the pause is told', () => told() > 0);
    const before = told();
    rmSync(marker);
    await until('the end of the pause is told', () => told() > before);
    expect(hints.filter((name) => name?.includes('volume.json'))).toEqual([]);
  });

  test('continues when a directory is replaced', async () => {
    await start();
    await until('it watches', () => hints.filter((name) => name === undefined).length === 2);
    renameSync(join(root, 'events'), join(root, 'old'));
    mkdirSync(join(root, 'events'));
    let count = 0;
    await until('an event in the new directory is told', () => {
      writeFileSync(join(root, 'events', `e${(count += 1)}`), '');
      return hints.some((name) => name?.startsWith('events/e') === true);
    });
  });

  test('reports new files in a large directory without listing it first', async () => {
    const before = watches();
    for (let index = 0; index < 20; index += 1) writeFileSync(join(root, `s${index}.state`), '');
    await start(19);
    // `events/` is small.
    await until('it watches events/', () => hints.length === 1);
    expect(watches() - before).toBe(3);
    writeFileSync(join(root, 'new.state'), '{}');
    await until('it is told', () => hints.includes('new.state'));
  });

  test('lets Node watch a directory in which much has happened', async () => {
    const before = watches();
    await start(19);
    await until('it watches', () => hints.filter((name) => name === undefined).length === 2);
    for (let index = 0; index < 40; index += 1) writeFileSync(join(root, `events/e${index}`), '');
    await until('all are told', () => hints.includes('events/e39'));
    // Node goes on to watch the directory that has moved; chokidar would watch the new one.
    renameSync(join(root, 'events'), join(root, 'old'));
    mkdirSync(join(root, 'events'));
    await until('the new directory is told', () => hints.includes('events'));
    let count = 0;
    await until('an event in the moved directory is told', () => {
      writeFileSync(join(root, 'old', `late${(count += 1)}`), '');
      return hints.some((name) => name?.startsWith('events/late') === true);
    });
    await close();
    expect(watches()).toBe(before);
    expect(warnings).toEqual([]);
  });

  test('warns of a directory that it cannot watch, and watches the other', async () => {
    rmSync(join(root, 'events'), { recursive: true });
    await start();
    expect(warnings).toHaveLength(1);
    await until('it watches', () => hints.includes(undefined));
    writeFileSync(join(root, 'new.state'), '{}');
    await until('it is told', () => hints.includes('new.state'));
  });
});
