/** What SECURITY.md and docs/operations.md say of several users: members of a group, and who may only read. As root only. */
import { chmodSync, lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { submitChains } from '../chaos.ts';
import { Fleet, launchHere, type Host, type Ran } from '../fleet.ts';
import { asOther, canBeTwo, GROUP, shareWithGroup, USER } from '../users.ts';

const MAIN = resolve(import.meta.dirname, '../../src/cli/main.ts');
const FAST = ['--lease', '1s', '--example-delay', '0.05'];

const here = (fleet: Fleet): Host => ({ root: dirname(fleet.dir), launch: launchHere });
const other = (fleet: Fleet, umask?: number): Host => asOther(here(fleet), umask);
const runAsOther = (fleet: Fleet, ...args: string[]): Promise<Ran> =>
  other(fleet).launch([MAIN, ...args]).ended;

/** Every entry below, with what lstat says of it. */
function entriesOf(dir: string): Map<string, { mode: number; gid: number; text: string }> {
  const entries = new Map<string, { mode: number; gid: number; text: string }>();
  for (const entry of readdirSync(dir, { withFileTypes: true, recursive: true })) {
    const path = join(entry.parentPath, entry.name);
    const { mode, gid } = lstatSync(path);
    entries.set(path, { mode, gid, text: entry.isFile() ? readFileSync(path, 'utf8') : '' });
  }
  return entries;
}

describe.skipIf(!canBeTwo)('on a volume of a group', () => {
  test.each([
    ['another user’s', 0o022],
    ['another user’s, with umask 077,', 0o077],
  ])('%s worker finishes what another left behind, and vice versa', async (_, umask) => {
    await using fleet = new Fleet();
    shareWithGroup(fleet.dir);
    const users = [other(fleet, umask), here(fleet)];
    for (const [round, [first, second]] of [users, users.toReversed()].entries()) {
      const chains = [1, 2, 3].map((one) => ({ instance: `c${round}${one}`, count: 4 }));
      submitChains(fleet.dir, chains);
      const victim = fleet.worker(`victim${round}`, [...FAST, '--example-delay', '5'], {}, first);
      const holds = (): boolean => fleet.list('in_progress').length > 0;
      await fleet.until('it holds something', holds);
      victim.kill('SIGKILL');
      await victim.ended;
      const { status } = await fleet.worker(`heir${round}`, FAST, {}, second).ended;
      expect(status).toBe(0);
      expect(fleet.list('done')).toHaveLength(12 * (round + 1));
      for (const part of ['leases', 'sessions', 'staging']) {
        expect(fleet.list(`.flockwork/${part}`)).toEqual([]);
      }
    }
    const mine = [...entriesOf(fleet.dir)].filter(([path]) => !path.endsWith('.state'));
    expect(mine.length).toBeGreaterThan(10);
    for (const [path, { mode, gid }] of mine) {
      expect([path, mode & 0o060, gid]).toEqual([path, 0o060, GROUP]);
    }
  });

  test('commands inherit the umask of the worker’s start', async () => {
    await using fleet = new Fleet();
    shareWithGroup(fleet.dir);
    const machines = join(fleet.dir, 'machines');
    mkdirSync(machines);
    const run = `umask > ${machines}/seen`;
    writeFileSync(
      join(machines, 'm.yaml'),
      JSON.stringify({ name: 'm', starting_state: 'go', activities: { go: { run } } }),
    );
    chmodSync(machines, 0o777);
    fleet.put('x.state', { state: 'm' });
    await fleet.worker('ant', [...FAST, '--machines', machines], {}, other(fleet, 0o027)).ended;
    expect(fleet.read('machines', 'seen').trim()).toBe('0027');
  });

  test('an unreadable state file fails, and runs once it is readable', async () => {
    await using fleet = new Fleet();
    shareWithGroup(fleet.dir);
    fleet.put('secret.state', { state: 'simple', payload: { target: 'x' } });
    fleet.put('open.state', { state: 'simple', payload: { target: 'x' } });
    chmodSync(join(fleet.dir, 'secret.state'), 0o600);
    fleet.worker('ant', [...FAST, '--watch'], {}, other(fleet));
    await fleet.until('it is put aside', () => fleet.list('failed').includes('secret.state'));
    expect(fleet.read('failed', 'secret.state')).toContain('EACCES');
    await fleet.until('the other is done', () => fleet.list('done').includes('open.state'));
    chmodSync(join(fleet.dir, 'secret.state'), 0o644);
    await fleet.until('it is done, too', () => fleet.list('done').includes('secret.state'));
  });

  test('a user without a name can pause it', async () => {
    await using fleet = new Fleet();
    shareWithGroup(fleet.dir);
    fleet.put('x.state', { state: 'simple' });
    expect(await runAsOther(fleet, 'pause', '--dir', fleet.dir)).toMatchObject({ status: 0 });
    expect(fleet.read('.flockwork', 'paused')).toContain(`"${USER}@`);
  });
});

describe.skipIf(!canBeTwo)('a user who may only read a volume', () => {
  const made = async (): Promise<Fleet> => {
    const fleet = new Fleet();
    chmodSync(fleet.dir, 0o755);
    submitChains(fleet.dir, [{ instance: 'c', count: 2 }]);
    fleet.put('broken.state', '{');
    expect((await fleet.worker('ant', FAST).ended).status).toBe(1);
    return fleet;
  };

  test('can read all of it', async () => {
    await using fleet = await made();
    const before = entriesOf(fleet.dir);
    for (const [command, args, words] of [
      ['status', [], 'broken.state'],
      ['show', ['c'], 'c.state-1'],
      ['log', [], 'c.state-1'],
      ['list', [], 'broken'],
      ['results', [], 'c'],
    ] as const) {
      const { stdout, stderr } = await runAsOther(fleet, command, ...args, '--dir', fleet.dir);
      expect([command, stderr]).toEqual([command, '']);
      expect(stdout).toContain(words);
    }
    expect(entriesOf(fleet.dir)).toEqual(before);
  });

  test('cannot change it, and gets the reason', async () => {
    await using fleet = await made();
    const before = entriesOf(fleet.dir);
    const file = resolve(MAIN, '../../../simpleStates/hello.state');
    for (const [command, ...args] of [
      ['worker', '--name', 'bee'],
      ['submit', file],
      ['send', 'c', 'go'],
      ['retry', 'broken'],
      ['reset', '--all', '--yes'],
      ['pause'],
    ]) {
      const ran = await runAsOther(fleet, command!, ...args, '--dir', fleet.dir);
      expect([command, ran.status, ran.stdout]).toEqual([command, 2, '']);
      expect([command, ran.stderr]).toEqual([
        command,
        expect.stringMatching(/not permitted|permission|may not|EACCES/i),
      ]);
      expect(ran.stderr).not.toMatch(/^\s+at /m);
    }
    expect(entriesOf(fleet.dir)).toEqual(before);
  });
});
