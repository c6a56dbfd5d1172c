/** The battle deck's script on a volume with three workers. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const SCRIPT = join(import.meta.dirname, '../../examples/battle-deck/red-alert.ts');

test('the outer door refuses to open during an alert, and the inner door opens again', async () => {
  // Pumping takes 20 s at this speed: the door's event comes long before.
  const env = { ...process.env, NO_COLOR: '1', BATTLE_DECK_SPEED: '3' };
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [SCRIPT], { env });
  expect(stderr).toBe('');
  const refused = /event finished closing inner .*: TransitionNotAllowed: no outer door opens/;
  expect(stdout).toMatch(refused);
  expect(stdout).toContain('deck is active');
  expect(stdout).not.toContain('airlock-B is outer open');
  expect(stdout).toMatch(/airlock-B\.state-\d+ +waiting +inner open/);
});
