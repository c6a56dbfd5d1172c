/** `flockwork validate` on folders of anything: what is looked at, what is refused, and where it is. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Io } from '../../src/cli/command.ts';
import { validate } from '../../src/cli/commands/validate.ts';
import { resolveSettings } from '../../src/cli/settings.ts';

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'flockwork-validate-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const CONFIGURATION = 'name: m\nstarting_state: go\nactivities: { go: { run: "true" } }\n';
const JSON_CONFIGURATION =
  '\ufeff{"name": "j", "starting_state": "go", "activities": {"go": {"run": "true"}}}';

function put(files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
}

async function check(
  ...paths: string[]
): Promise<{ status: number; problems: string[]; checked: number }> {
  const printed: string[] = [];
  const io: Partial<Io> = {
    print: (text) => void printed.push(text),
    stop: new AbortController().signal,
  };
  const settings = resolveSettings({ flags: { json: true }, environment: {}, file: {} });
  const all = paths.length === 0 ? [folder] : paths.map((path) => join(folder, path));
  const status = await validate.run(settings, all, io as Io);
  const found = JSON.parse(printed.join('')) as { problems: string[]; checked: number };
  const problems = found.problems.map((problem) => problem.replaceAll(`${folder}/`, ''));
  return { ...found, status, problems };
}

describe('validate', () => {
  test('finds modules, configurations and state files in folders', async () => {
    put({
      'm.yaml': CONFIGURATION,
      'j.json': JSON_CONFIGURATION,
      'x.mjs': 'export default { not: "a machine" };',
      'a.state': '{"state": "m"}',
      'b.state': '{"state": "j"}',
      'notes.txt': '',
    });
    expect(await check()).toEqual({
      status: 1,
      checked: 5,
      problems: [expect.stringContaining('x.mjs does not export a machine')],
    });
  });

  test('reports the place of each problem', async () => {
    put({
      'broken.yaml': 'name: [\n',
      'nxt.yaml': CONFIGURATION.replace('run:', 'nxt: z, run:'),
      'key.state': '{"state": "simple",\n "paylod": {}}',
      'machine.state': '{\n  "state": "x", "machine": "y"}',
      'unknown.state': '{\n  "state": "y"}',
    });
    const { problems } = await check();
    expect(problems).toContainEqual(expect.stringMatching(/^broken\.yaml:\d+:\d+: /));
    expect(problems).toContainEqual(expect.stringMatching(/^nxt\.yaml:3:\d+: .*unknown key nxt/));
    expect(problems).toContainEqual(
      'key.state:2:2: unknown key "paylod"; did you mean payload?; your own begin with x-',
    );
    expect(problems).toContainEqual(expect.stringMatching(/^machine\.state:2:17: .*machine y/));
    expect(problems).toContainEqual(expect.stringMatching(/^unknown\.state:2:3: .*machine y/));
  });

  test('refuses links and special files, which workers do not read', async () => {
    put({ 'a.state': '{"state": "simple"}' });
    symlinkSync(join(folder, 'a.state'), join(folder, 'link.state'));
    symlinkSync('/nowhere', join(folder, 'lost.state'));
    mkdirSync(join(folder, 'folder.state'));
    expect(await check()).toEqual({
      status: 1,
      checked: 4,
      problems: [
        'folder.state: it is not a regular file',
        'link.state: it is a link; workers read regular files only',
        'lost.state: it is a link; workers read regular files only',
      ],
    });
    expect((await check('link.state')).status).toBe(1);
  });

  test('reports two machines of the same name and version', async () => {
    put({ 'a.yaml': CONFIGURATION, 'b.yaml': CONFIGURATION });
    const { status, problems } = await check();
    expect({ status, problems }).toEqual({
      status: 1,
      problems: [expect.stringContaining('two machines m')],
    });
    // By themselves, they may be for two fleets.
    expect(await check('a.yaml', 'b.yaml')).toMatchObject({ status: 0, checked: 2 });
  });

  test('throws when there is nothing to check', async () => {
    put({ 'a.STATE': '{}', 'notes.txt': '' });
    await expect(check()).rejects.toThrow('nothing to check in');
    await expect(check('nowhere')).rejects.toThrow('ENOENT');
    expect(await check('a.STATE')).toMatchObject({ status: 1, checked: 1 });
  });
});
