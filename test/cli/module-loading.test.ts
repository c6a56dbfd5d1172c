import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { loadMachine, loadMachines } from '../../src/cli/machines.ts';

const folder = mkdtempSync(join(tmpdir(), 'flockwork-modules-'));
afterAll(() => rmSync(folder, { recursive: true }));
const put = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};

test('loads a configuration with a byte order mark', async () => {
  const text = JSON.stringify({ name: 'b', starting_state: 'a', activities: { a: { run: 'x' } } });
  expect((await loadMachine(put('bom.json', `\ufeff${text}`))).name).toBe('b');
});

test('refuses a configuration that is not UTF-8', async () => {
  const file = join(folder, 'latin.yaml');
  writeFileSync(file, Buffer.from('name: f\xfcr\n', 'latin1'));
  await expect(loadMachine(file)).rejects.toThrow('it is not UTF-8 text');
});

test('refuses a number that JavaScript cannot represent, with its place', async () => {
  const file = put('big.json', '{"name": "b",\n "version": 9007199254740993}');
  await expect(loadMachine(file)).rejects.toThrow(/big\.json:2:13: the number 9007199254740993/);
});

test('names the files of two machines of the same name', async () => {
  const text = `name: twin\nstarting_state: a\nactivities: { a: { run: x } }\n`;
  const [one, other] = [put('one.yaml', text), put('other.yaml', text)];
  await expect(loadMachines([one, other])).rejects.toThrow(
    `there are two machines twin, from ${one} and ${other}; rename one`,
  );
  const simple = put('simple.yaml', text.replace('twin', 'simple'));
  await expect(loadMachines([simple])).rejects.toThrow(`from Flockwork itself and ${simple};`);
});
