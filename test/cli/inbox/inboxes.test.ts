/** What a worker asks before it ends: may more come from its inboxes? */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { openInboxes } from '../../../src/cli/inbox/inboxes.ts';
import type { Log } from '../../../src/engine/ports.ts';

const quiet = (): void => undefined;
const log: Log = { debug: quiet, info: quiet, warn: quiet, error: quiet };
const STATES = { machine: undefined, each: false };

let root: string;
let volume: string;
let inbox: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'flockwork-inboxes-'));
  volume = join(root, 'volume');
  inbox = join(root, 'inbox');
  for (const directory of [volume, inbox]) mkdirSync(directory);
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

test('moreToCome is false at the first call without inboxes', async () => {
  const inboxes = await openInboxes([], [volume], STATES, log);
  expect(inboxes.moreToCome()()).toBe(false);
  await inboxes.close();
});

test('moreToCome is true until all files are taken, and once more after that', async () => {
  writeFileSync(join(inbox, 'job.state'), '{ "state": "simple" }');
  const inboxes = await openInboxes([inbox], [volume], STATES, log);
  const early = inboxes.moreToCome();
  const late = inboxes.moreToCome();
  // Nothing was looked at yet.
  expect(early()).toBe(true);
  await vi.waitFor(() => expect(early()).toBe(false), { timeout: 50_000, interval: 50 });
  expect(readdirSync(volume)).toEqual([expect.stringMatching(/^job-\w+\.state$/)]);
  // Who has not asked since may have looked before it came.
  expect(late()).toBe(true);
  expect(late()).toBe(false);
  await inboxes.close();
});
