/** The battle deck on a volume, by three workers: what its script waits for comes to be. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const SCRIPT = join(import.meta.dirname, '../../examples/battle-deck/red-alert.ts');

test('whoever is in the airlock is refused at the outer door, and let back in', async () => {
  // Pumping takes 20 s then: the door is asked for long before.
  const env = { ...process.env, NO_COLOR: '1', BATTLE_DECK_SPEED: '3' };
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [SCRIPT], { env });
  expect(stderr).toBe('');
  const refused = /event finished closing inner .*: TransitionNotAllowed: no outer door opens/;
  expect(stdout).toMatch(refused);
  expect(stdout).toContain('deck is active');
  expect(stdout).not.toContain('airlock-B is outer open');
  expect(stdout).toMatch(/airlock-B\.state-\d+ +waiting +inner open/);
});
