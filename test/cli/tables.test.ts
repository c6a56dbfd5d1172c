/** Commands about machines with tables, without a process for each. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Command, Io } from '../../src/cli/command.ts';
import { config } from '../../src/cli/commands/config.ts';
import { graph } from '../../src/cli/commands/graph.ts';
import { sql } from '../../src/cli/commands/sql.ts';
import { resolveSettings } from '../../src/cli/settings.ts';
import { UserError } from '../../src/machine/errors.ts';

const ROOT = join(import.meta.dirname, '../..');
const ORDERS = join(ROOT, 'examples/orders/orders.yaml');
const TASKS = join(ROOT, 'examples/tasks/tasks.ts');
const COMMANDS = { config, graph, sql } satisfies Record<string, Command>;

interface Ran {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(
  name: keyof typeof COMMANDS,
  words: readonly string[],
  flags: Readonly<Record<string, unknown>> = {},
): Promise<Ran> {
  const printed: string[] = [];
  const said: string[] = [];
  const io = {
    print: (text: string) => printed.push(`${text}\n`),
    data: (text: string) => printed.push(`${text}\n`),
    say: (text: string) => said.push(text),
  };
  const settings = resolveSettings({ flags, environment: {}, file: {}, command: 'worker' });
  let status = 2;
  try {
    status = await COMMANDS[name].run(settings, words, io as unknown as Io);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    said.push(error.message);
  }
  return { status, stdout: printed.join(''), stderr: said.join('\n') };
}

class Folder implements Disposable {
  readonly path: string = mkdtempSync(join(tmpdir(), 'flockwork-tables-'));

  write(name: string, text: string): string {
    writeFileSync(join(this.path, name), text);
    return join(this.path, name);
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true });
  }
}

describe('graph', () => {
  test('draws a machine in every format', async () => {
    expect((await run('graph', [ORDERS])).stdout).toMatch(/^stateDiagram-v2\n/);
    expect((await run('graph', [TASKS], { format: 'dot' })).stdout).toMatch(/^digraph "tasks" \{/);
    expect((await run('graph', [ORDERS], { format: 'svg' })).stdout).toMatch(
      /^<svg [^]*<\/svg>\n$/,
    );
    expect((await run('graph', [TASKS], { format: 'matrix' })).stdout).toContain(
      '| Running      | → Error  | ·         | → Stopped | ✗         |',
    );
  });

  test('explains missing arrows when code decides the next state', async () => {
    using folder = new Folder();
    const code = `import { machine, next, done } from '${ROOT}/src/index.ts';
export default machine({ name: 'coded', activities: { a: () => next('b'), b: () => done() } });\n`;
    const ran = await run('graph', [folder.write('coded.mjs', code)]);
    expect(ran).toMatchObject({ status: 0, stdout: expect.stringContaining('"a" as s0') });
    expect(ran.stderr).toContain('has no table');
    expect((await run('graph', [ORDERS])).stderr).toBe('');
  });

  test('needs a name to choose one of several machines', async () => {
    using folder = new Folder();
    const machines = join(folder.path, 'machines');
    mkdirSync(machines);
    for (const [name, version] of [
      ['pump', '9'],
      ['pump', '10'],
      ['valve', '1'],
    ] as const) {
      const text = `name: ${name}\nversion: ${version}\nstarting_state: a${version}\nactivities: { a${version}: { run: x } }\n`;
      // The older one is found first.
      folder.write(`machines/${version.length}-${name}.yaml`, text);
    }
    const which = await run('graph', [machines]);
    expect(which).toMatchObject({ status: 2, stdout: '' });
    expect(which.stderr).toContain(
      'several machines; choose one with --machine: pump:10, pump:9, valve:1',
    );
    expect((await run('graph', [machines], { machine: 'pump' })).stdout).toContain('"a10" as s0');
    expect((await run('graph', [machines], { machine: 'pump:9' })).stdout).toContain('"a9" as s0');
    const none = await run('graph', [machines], { machine: 'tap' });
    expect(none.stderr).toContain('no machine tap; it has pump:10, pump:9, valve:1');
    const matrix = await run('graph', [machines], { machine: 'valve', format: 'matrix' });
    expect(matrix).toMatchObject({ status: 2, stdout: '' });
    expect(matrix.stderr).toContain('it has no table of states and events');
  });

  test('refuses a folder without machines', async () => {
    expect((await run('graph', ['/nowhere.yaml'])).stderr).toContain('no such file');
    using folder = new Folder();
    expect((await run('graph', [folder.path])).stderr).toContain('got none');
    const wrong = folder.write('wrong.yaml', 'name: a\n');
    expect((await run('graph', [wrong])).stderr).toContain('wrong.yaml:');
  });
});

describe('sql', () => {
  test('prints the statements as text and as JSON', async () => {
    const { stdout } = await run('sql', [ORDERS], { table: 'shop`s', column: 'where' });
    expect(stdout.match(/^UPDATE `shop``s`$/gm)).toHaveLength(6);
    expect(stdout).toContain("AND `where` IN ('start', 'waiting');");
    const json = await run('sql', [TASKS], { dialect: 'postgresql', json: true });
    expect(JSON.parse(json.stdout)).toMatchObject([
      {
        kind: 'create',
        sql: expect.stringMatching(/^CREATE TABLE IF NOT EXISTS "tasks" \(\n/),
      },
      { kind: 'insert' },
      { kind: 'select' },
      { kind: 'update', event: 'NotReady', sql: expect.stringMatching(/^UPDATE "tasks"\n/) },
      { event: 'Ready' },
      { event: 'Stop' },
      { event: 'Delete' },
    ]);
  });

  test('exits 2 for a bad option', async () => {
    const { status, stderr } = await run('sql', [ORDERS], { table: '' });
    expect([status, stderr]).toEqual([2, expect.stringContaining('--table must not be empty')]);
  });
});

const orders = (version: string, event = 'go'): string =>
  `# kept\nname: orders\nversion: ${version}\nstarting_state: a\nstates: [a, b]\ntransitions: [{ from: a, to: b, event: ${event} }]\n`;

describe('config', () => {
  test('stores a version once, and returns it unchanged', async () => {
    using folder = new Folder();
    const dir = { dir: [folder.path] };
    const put = (text: string, more = {}): Promise<Ran> =>
      run('config', ['put', folder.write('orders.yaml', text)], { ...dir, ...more });
    expect((await run('config', ['list'], dir)).stdout).toBe('no configurations\n');
    expect((await put(orders('9'))).stdout).toBe('orders:9: stored\n');
    expect((await put(orders('9'))).stdout).toBe('orders:9: there already\n');
    const plain = orders('9').replace('# kept\n', '');
    expect((await put(plain)).stdout).toBe('orders:9: there already\n');
    expect(JSON.parse((await put(orders('10'), { json: true })).stdout)).toEqual({
      configuration: 'orders:10',
      outcome: 'stored',
      retried: [],
    });
    const other = await put(orders('9', 'run'));
    expect(other).toMatchObject({ status: 2, stdout: '' });
    expect(other.stderr).toContain('orders:9 is stored already and cannot be changed');
    expect(other.stderr).toContain('transitions.0.event: "go" is stored, not "run"');

    expect((await run('config', ['list'], dir)).stdout).toBe('orders:9\norders:10\n');
    expect((await run('config', ['get', 'orders:9'], dir)).stdout).toBe(orders('9'));
    expect((await run('config', ['get', 'orders'], dir)).stdout).toBe(orders('10'));
    const json = await run('config', ['get', 'orders'], { ...dir, json: true });
    expect(JSON.parse(json.stdout)).toMatchObject({ name: 'orders', version: '10' });
    for (const word of ['orders:8', 'order', 'orders:', 'orders:9:9']) {
      const none = await run('config', ['get', word], dir);
      expect(none).toMatchObject({ status: 2, stdout: '' });
      expect(none.stderr).toContain(`no configuration ${word} in`);
      expect(none.stderr).toContain('there are orders:9, orders:10');
    }
  });

  test('stores a configuration without a version as v1, and returns it unchanged', async () => {
    using folder = new Folder();
    const dir = { dir: [folder.path] };
    const text = orders('1').replace('version: 1\n', '').replace('starting_state', 'startingState');
    const plain = folder.write('plain.yaml', text);
    expect((await run('config', ['put', plain], dir)).stdout).toBe('orders:v1: stored\n');
    expect((await run('config', ['put', plain], dir)).stdout).toBe('orders:v1: there already\n');
    expect((await run('config', ['get', 'orders'], dir)).stdout).toBe(text);
  });

  test('stores on each of several volumes', async () => {
    using folder = new Folder();
    using other = new Folder();
    const dir = [folder.path, other.path];
    await run('config', ['put', ORDERS], { dir });
    const { stdout } = await run('config', ['list'], { dir, json: true });
    expect(
      stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown),
    ).toEqual(dir.map((one) => ({ dir: one, configurations: ['orders:v1'] })));
  });

  test('refuses invalid files before it stores anything', async () => {
    using folder = new Folder();
    const dir = { dir: [folder.path] };
    const good = folder.write('good.yaml', orders('1'));
    const bad = folder.write('bad.yaml', orders('1').replace('to: b', 'to: c'));
    const unused = folder.write('unused.yaml', orders('1').replace('[a, b]', '[a, b, c, d]'));
    const begins = orders('1').replace('[a, b]', '[a, b, c]');
    const stuck = folder.write(
      'stuck.yaml',
      begins.replace('starting_state: a', 'starting_state: c'),
    );
    const long = folder.write('long.yaml', orders('x'.repeat(200)));
    for (const [words, reason] of [
      [['put', good, bad], 'bad.yaml:6:26: '],
      [['put', good, unused], 'unused.yaml: no transition names c, d'],
      [['put', good, stuck], 'stuck.yaml: no transition names c'],
      [['put', good, long], 'at most 200 characters'],
      [['put', good, join(folder.path, 'gone.yaml')], 'cannot read'],
      [['put'], 'expected config put'],
      [['get'], 'expected config put'],
      [['get', 'a', 'b'], 'expected config put'],
      [['list', 'a'], 'expected config put'],
      [['drop', 'a'], 'expected config put'],
      [['get', 'orders'], 'there is none'],
    ] as const) {
      const { status, stderr } = await run('config', words, dir);
      expect([status, stderr]).toEqual([2, expect.stringContaining(reason)]);
    }
    expect((await run('config', ['list'], dir)).stdout).toBe('no configurations\n');
    const nowhere = await run('config', ['list'], { dir: [join(folder.path, 'nowhere')] });
    expect([nowhere.status, nowhere.stderr]).toEqual([
      2,
      expect.stringContaining('there is no directory'),
    ]);
  });
});
