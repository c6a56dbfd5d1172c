import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  getConfiguration,
  listConfigurations,
  putConfiguration,
} from '../../src/volume/configurations.ts';
import { Layout } from '../../src/volume/layout.ts';
import { NodeFiles } from '../../src/volume/node-files.ts';

let folder = '';
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'flockwork-configurations-'))));
afterEach(() => rmSync(folder, { recursive: true }));

const files = new NodeFiles({ durable: false });
const ORDERS = { name: 'test.orders', version: 'v3' };

test('a configuration is stored once, and the stored text is returned', async () => {
  const at = new Layout(folder);
  expect(await listConfigurations(files, at)).toEqual([]);
  expect(await getConfiguration(files, at, ORDERS)).toBeUndefined();
  expect(await putConfiguration(files, at, ORDERS, 'one', 'a')).toBe('one');
  expect(await putConfiguration(files, at, ORDERS, 'two', 'b')).toBe('one');
  expect(await getConfiguration(files, at, ORDERS)).toBe('one');
  await putConfiguration(files, at, { ...ORDERS, version: 'v4' }, 'two', 'c');
  const names = await listConfigurations(files, at);
  expect(names.map(({ version }) => version).sort()).toEqual(['v3', 'v4']);
  expect(readdirSync(at.configurations).sort()).toEqual(['test.orders@v3', 'test.orders@v4']);
});

test('of many concurrent calls one stores its text, and all return that', async () => {
  const at = new Layout(folder);
  const texts = Array.from({ length: 20 }, (_, index) => `text ${index}`);
  const stored = await Promise.all(
    texts.map((text, index) => putConfiguration(files, at, ORDERS, text, `u${index}`)),
  );
  expect(new Set(stored).size).toBe(1);
  expect(texts).toContain(stored[0]);
  expect(readdirSync(at.configurations)).toEqual(['test.orders@v3']);
});

/** Another session stores its text between the read and the link. */
class Interrupted extends NodeFiles {
  override async link(existing: string, name: string): Promise<void> {
    writeFileSync(name, 'theirs');
    return super.link(existing, name);
  }
}

test('the second of two sessions returns the first one’s text', async () => {
  const at = new Layout(folder);
  const slow = new Interrupted({ durable: false });
  expect(await putConfiguration(slow, at, ORDERS, 'mine', 'a')).toBe('theirs');
});

test('other files in the directory are not configurations', async () => {
  const at = new Layout(folder);
  await putConfiguration(files, at, ORDERS, 'one', 'a');
  for (const name of ['.put-x', '.a@b', 'README', 'a@b@c']) {
    writeFileSync(join(at.configurations, name), '');
  }
  expect(await listConfigurations(files, at)).toEqual([ORDERS]);
});
