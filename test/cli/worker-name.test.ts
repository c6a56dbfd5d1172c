/** Two workers of one name on one host: told at once, and only where it is certain. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { processIdentity } from '../../src/api/node-ports.ts';
import { chooseName } from '../../src/cli/commands/worker.ts';
import { formatToken } from '../../src/volume/token.ts';

let volume = '';
beforeEach(() => {
  volume = mkdtempSync(join(tmpdir(), 'flockwork-name-'));
  mkdirSync(join(volume, '.flockwork/sessions'), { recursive: true });
});
afterEach(() => rmSync(volume, { recursive: true }));

/** A session of this name, of a process that runs: this one. */
function putSession(worker: string, identity: string | undefined): void {
  const session = `${worker}.abcdefgh`;
  const text = formatToken({
    flockwork: 1,
    session,
    worker,
    host: 'vm',
    pid: process.pid,
    ...(identity !== undefined && { process: identity }),
    started: '2026-01-01T00:00:00.000Z',
    concurrency: 1,
    capacity: 1,
    machines: [],
  });
  writeFileSync(join(volume, '.flockwork/sessions', session), text);
}

const here = processIdentity(process.pid);

test.runIf(here !== undefined)(
  'chooseName returns the next free name when a running process has it',
  async () => {
    putSession('vm', here);
    expect(await chooseName([volume], 'vm', false)).toBe('vm-2');
    putSession('vm-2', here);
    expect(await chooseName([join(volume, 'none'), volume], 'vm', false)).toBe('vm-3');
    expect(await chooseName([volume], 'v', false)).toBe('v');
  },
);

test.runIf(here !== undefined)(
  'chooseName refuses a given name, and names the process that has it',
  async () => {
    putSession('vm', here);
    await expect(chooseName([volume], 'vm', true)).rejects.toMatchObject({
      code: 'name-in-use',
      message: expect.stringContaining(`process ${process.pid} on vm`),
    });
  },
);

test.each([
  ['of an earlier version', undefined],
  ['of another boot, namespace, or start', `other pid:[1] ${process.pid} 1`],
])('chooseName ignores a session %s', async (_whose, identity) => {
  putSession('vm', identity);
  expect(await chooseName([volume], 'vm', true)).toBe('vm');
});

test('processIdentity is stable, and undefined without such a process', () => {
  expect(processIdentity(process.pid)).toBe(here);
  expect(processIdentity(2 ** 30)).toBeUndefined();
});
