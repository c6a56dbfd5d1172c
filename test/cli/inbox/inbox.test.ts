import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { HotFolder } from '../../../src/cli/inbox/inbox.ts';
import { PATIENT_MS, STABLE_MS } from '../../../src/cli/inbox/rules.ts';
import type { Log } from '../../../src/engine/ports.ts';

const STATE = '{ "state": "simple" }';

let dir: string;
let now: number;
/** What is on the volume. */
let states: Map<string, string>;
let isFull: boolean;

const quiet = (): void => undefined;
const log: Log = { debug: quiet, info: quiet, warn: quiet, error: quiet };

function newInbox(machine?: string): HotFolder {
  const submitter = {
    submit: async (state: string, bytes: Uint8Array): Promise<void> => {
      if (isFull) throw Object.assign(new Error('no space'), { code: 'ENOSPC' });
      if (!states.has(state)) states.set(state, Buffer.from(bytes).toString());
    },
    list: async () => new Set(states.keys()),
  };
  return new HotFolder({ directory: dir, machine }, { submitter, log, now: () => now });
}

const put = (name: string, content: string): void => writeFileSync(join(dir, name), content);

function list(folder = ''): string[] {
  try {
    return readdirSync(join(dir, folder)).sort();
  } catch {
    return [];
  }
}

/** Looks until what is there now has been there for long enough. */
async function settle(inbox: HotFolder, ms: number = STABLE_MS): Promise<void> {
  await inbox.look();
  now += ms;
  await inbox.look();
}

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'flockwork-inbox-'));
  now = 1000;
  states = new Map();
  isFull = false;
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

describe('an inbox of state files', () => {
  test('takes a file when its writing has finished', async () => {
    const inbox = newInbox();
    put('job.state', STATE);
    await inbox.look();
    expect(states.size).toBe(0);
    expect(inbox.isPending).toBe(true);
    now += STABLE_MS;
    put('job.state', `${STATE}\n\n`);
    await inbox.look();
    expect(states.size).toBe(0);
    now += STABLE_MS;
    await inbox.look();
    expect([...states]).toEqual([
      [expect.stringMatching(/^job-[0-9a-f]{16}\.state$/), `${STATE}\n\n`],
    ]);
    expect(list()).toEqual(['submitted']);
    expect(list('submitted')).toEqual([...states.keys()]);
    expect(inbox.isPending).toBe(false);
  });

  test('takes a file at once after the watcher has reported it', async () => {
    const inbox = newInbox();
    put('job.state', STATE);
    await inbox.noteWritten('job.state');
    await inbox.look();
    expect(states.size).toBe(1);
  });

  test('takes the same name again with another content or time', async () => {
    const inbox = newInbox();
    for (const time of [1, 2]) {
      put('job.state', STATE);
      utimesSync(join(dir, 'job.state'), time, time);
      await settle(inbox);
    }
    put('job.state', '{ "state": "slow" }');
    utimesSync(join(dir, 'job.state'), 2, 2);
    await settle(inbox);
    expect(states.size).toBe(3);
    // The very same file again is the same instance.
    put('job.state', STATE);
    utimesSync(join(dir, 'job.state'), 2, 2);
    await settle(inbox);
    expect(states.size).toBe(3);
    expect(list()).toEqual(['submitted']);
  });

  test('refuses files that cannot be submitted, with a reason', async () => {
    const inbox = newInbox();
    put('bad.state', '{ "state": ');
    put('big.state', 'x'.repeat(1024 * 1024 + 1));
    symlinkSync('/etc/passwd', join(dir, 'link.state'));
    execFileSync('mkfifo', [join(dir, 'fifo.state')]);
    mkdirSync(join(dir, 'folder.state'));
    mkdirSync(join(dir, 'folder'));
    put('notes.txt', 'left alone');
    await settle(inbox);
    // It may be cut off: a copy that stalls goes on.
    expect(list()).toContain('bad.state');
    now += PATIENT_MS;
    await inbox.look();
    expect(states.size).toBe(0);
    expect(list()).toEqual(['folder', 'notes.txt', 'refused', 'submitted']);
    expect(list('submitted')).toEqual([]);
    const refused = ['bad', 'big', 'fifo', 'folder', 'link'].flatMap((name) => [
      `${name}.state`,
      `${name}.state.reason`,
    ]);
    expect(list('refused')).toEqual(refused);
    const reason = (name: string): string =>
      readFileSync(join(dir, 'refused', `${name}.state.reason`), 'utf8');
    expect(reason('bad')).toMatch(/^bad\.state:1:\d+: not JSON/);
    expect(reason('big')).toContain('at most 1048576 bytes');
    expect(reason('link')).toBe('expected a regular file, got a symbolic link\n');
    // The second one of a name stands beside the first.
    put('bad.state', '[]');
    await settle(inbox, PATIENT_MS);
    expect(list('refused')).toContain('bad-2.state');
    expect(list('refused')).toContain('bad-2.state.reason');
    expect(inbox.isPending).toBe(false);
  });

  test('takes a file that is completed after a pause', async () => {
    const inbox = newInbox();
    put('job.state', STATE.slice(0, 10));
    await settle(inbox, 2 * STABLE_MS);
    put('job.state', STATE);
    await settle(inbox);
    expect([...states.values()]).toEqual([STATE]);
    expect(list('refused')).toEqual([]);
  });
});

describe('an inbox for each file', () => {
  test('creates instances of the machine, with the path in submitted/', async () => {
    const inbox = newInbox('scan:v2');
    put('my report.csv', 'a,b\n');
    put('.my report.csv.Xy12Ab', 'a');
    put('my report.csv~', 'a');
    await settle(inbox);
    const [[state, text]] = [...states] as [[string, string]];
    expect(state).toMatch(/^my_report-[0-9a-f]{16}\.state$/);
    const { payload, ...rest } = JSON.parse(text) as { payload: { path: string } };
    expect(rest).toEqual({ state: 'scan', machine: 'scan:v2' });
    expect(payload.path).toBe(join(dir, 'submitted', state.replace('.state', '.csv')));
    expect(readFileSync(payload.path, 'utf8')).toBe('a,b\n');
    expect(list()).toEqual(['.my report.csv.Xy12Ab', 'my report.csv~', 'submitted']);
  });

  test('distinguishes files with the same clean name', async () => {
    const inbox = newInbox('scan');
    for (const name of ['a b.csv', 'a_b.csv', 'a~b.csv', 'a_b.txt']) {
      put(name, 'same');
      utimesSync(join(dir, name), 1, 1);
    }
    await settle(inbox);
    expect(states.size).toBe(4);
    expect(list('submitted')).toHaveLength(4);
  });

  test('takes a name that is not UTF-8', async () => {
    const inbox = newInbox('scan');
    writeFileSync(
      Buffer.concat([Buffer.from(`${dir}/caf`), Buffer.from([0xe9]), Buffer.from('.csv')]),
      'x',
    );
    await settle(inbox);
    const [text] = [...states.values()];
    const { payload } = JSON.parse(text!) as { payload: { path: string } };
    expect(readFileSync(payload.path, 'utf8')).toBe('x');
  });

  test('waits longer for an empty file', async () => {
    const inbox = newInbox('scan');
    put('empty.csv', '');
    await settle(inbox);
    expect(states.size).toBe(0);
    now += PATIENT_MS;
    await inbox.look();
    expect(states.size).toBe(1);
  });
});

describe('several workers on one inbox', () => {
  test('take each file once', async () => {
    const inboxes = [newInbox('scan'), newInbox('scan'), newInbox('scan')];
    for (let index = 0; index < 30; index += 1) put(`f${index}.csv`, `${index}`);
    await Promise.all(inboxes.map((inbox) => inbox.look()));
    now += STABLE_MS;
    await Promise.all(inboxes.map((inbox) => inbox.look()));
    expect(states.size).toBe(30);
    expect(inboxes.reduce((sum, { taken }) => sum + taken, 0)).toBe(30);
  });

  test('share folders whose mode is that of the inbox', async () => {
    chmodSync(dir, 0o2770);
    const before = process.umask(0o077);
    put('a.csv', '1');
    await settle(newInbox('scan'));
    process.umask(before);
    expect(statSync(join(dir, 'submitted')).mode & 0o7777).toBe(0o2770);
  });
});

describe('after a crash', () => {
  test('a file in submitted/ without its instance is submitted under the same name', async () => {
    isFull = true;
    const first = newInbox('scan');
    put('a.csv', '1');
    await expect(settle(first)).rejects.toThrow('no space');
    const [name] = list('submitted');
    expect(states.size).toBe(0);
    isFull = false;
    const second = newInbox('scan');
    await second.recover();
    expect([...states.keys()]).toEqual([name!.replace('.csv', '.state')]);
    // Once: what is known to be there is not submitted again.
    await second.recover();
    await first.recover();
    expect([first.taken, second.taken]).toEqual([0, 1]);
  });

  test('another worker finishes a claim after PATIENT_MS', async () => {
    put('a.csv', '1');
    const [first, other, reference] = [newInbox('scan'), newInbox('scan'), newInbox('scan')];
    await settle(reference);
    const [name] = list('submitted');
    const claim = '.claim-0123456789abcdef-0123456789abcdef~a.csv';
    copyFileSync(join(dir, 'submitted', name!), join(dir, 'submitted', claim));
    await Promise.all([first.recover(), other.recover()]);
    expect(list('submitted')).toContain(claim);
    expect(first.isPending).toBe(true);
    now += PATIENT_MS;
    await Promise.all([first.recover(), other.recover()]);
    expect(states.size).toBe(2);
    expect(list('submitted').map((one) => one.replace('.csv', '.state'))).toEqual(
      [...states.keys()].sort(),
    );
    expect(first.isPending || other.isPending).toBe(false);
  });

  test('an invalid file in submitted/ is ignored', async () => {
    mkdirSync(join(dir, 'submitted'));
    put('submitted/bad.state', '{');
    put('submitted/notes.txt', '');
    symlinkSync('/etc/passwd', join(dir, 'submitted/link.state'));
    const inbox = newInbox();
    await inbox.recover();
    expect(states.size).toBe(0);
    expect(inbox.isPending).toBe(false);
  });

  test('a file that is moved in during a claim is not overwritten by one of the same name', async () => {
    const inbox = newInbox('scan');
    put('a.csv', 'one');
    await inbox.noteWritten('a.csv');
    put('.new', 'two');
    renameSync(join(dir, '.new'), join(dir, 'a.csv'));
    await inbox.look();
    await settle(inbox);
    const contents = list('submitted').map((name) =>
      readFileSync(join(dir, 'submitted', name), 'utf8'),
    );
    expect(contents).toEqual(['two']);
    expect(states.size).toBe(1);
  });
});
