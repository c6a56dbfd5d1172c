/** `flockwork send`, and instances that events and timers move, with real workers. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseEventName } from '../../src/machine/event.ts';
import { Fleet, run, type Ran } from '../fleet.ts';

const INDEX = join(import.meta.dirname, '../../src/index.ts');

/** A door that takes a moment to open and closes by itself; a bell that it rings. */
const DOOR = `import { impossible, machine, same } from '${INDEX}';
export default machine({
  name: 'door',
  states: ['closed', 'opening', 'open', 'gone'],
  events: ['ask', 'opened', 'close', 'scrap'],
  initial: 'closed',
  table: {
    closed: { ask: 'opening', opened: impossible, close: same, scrap: 'gone' },
    opening: { ask: same, opened: 'open', close: 'closed', scrap: 'gone' },
    open: { ask: same, opened: impossible, close: 'closed', scrap: 'gone' },
    gone: { ask: same, opened: same, close: same, scrap: same },
  },
  after: { opening: { '100ms': 'opened' }, open: { '200ms': 'close' } },
  hooks: {
    before: ({ details }) => details?.locked === true ? 'it is locked' : undefined,
    after: ({ event, to }) => event === 'ask' ? [{ to: 'bell', event: 'ring' }] : [],
  },
});`;
const BELL = `import { machine, same } from '${INDEX}';
export default machine({
  name: 'bell',
  states: ['quiet', 'rung'],
  events: ['ring', 'hush'],
  initial: 'quiet',
  table: { quiet: { ring: 'rung', hush: same }, rung: { ring: same, hush: 'quiet' } },
});`;

function putMachines(fleet: Fleet): string[] {
  const folder = join(fleet.dir, '.machines');
  mkdirSync(folder);
  writeFileSync(join(folder, 'door.ts'), DOOR);
  writeFileSync(join(folder, 'bell.ts'), BELL);
  return ['--machines', folder];
}

const send = (fleet: Fleet, ...args: string[]): Promise<Ran> =>
  run('send', ...args, '--dir', fleet.dir);

const lastOf = (fleet: Fleet, instance: string): { state: string } => {
  const names = fleet.list('.').filter((name) => name.startsWith(`${instance}.state`));
  const name = names.length === 1 ? names[0]! : `${instance}.state-${names.length - 1}`;
  return JSON.parse(fleet.read(name)) as { state: string };
};

test('a door opens on request, closes by its timer, and all outcomes can be read', async () => {
  await using fleet = new Fleet();
  for (const name of ['door', 'bell']) fleet.put(`${name}.state`, { state: name });
  const worker = fleet.worker('ant', ['--watch', ...putMachines(fleet)]);
  await fleet.until('both wait', () => fleet.list('waiting').length === 2);

  const asked = await send(fleet, 'door', 'ask', '--id', 'first', '--wait');
  expect(asked).toMatchObject({ status: 0, stdout: 'Ok: closed → opening\n' });
  // Successors come after the flags.
  await fleet.until('it has opened and closed', () =>
    ['door.state-3', 'bell.state-1'].every((name) => fleet.list('.').includes(name)),
  );
  expect(fleet.list('done').filter((name) => name.startsWith('door'))).toEqual([
    'door.state',
    'door.state-1',
    'door.state-2',
  ]);
  expect(lastOf(fleet, 'door').state).toBe('closed');
  expect(lastOf(fleet, 'bell').state).toBe('rung');

  // The same again is the same again: it has its outcome at once, and moves nothing.
  const again = await send(fleet, 'door', 'scrap', '--id', 'first', '--json');
  expect(again.status).toBe(0);
  expect(JSON.parse(again.stdout)).toMatchObject({ id: 'first', event: 'ask', to: 'opening' });

  const refused = await send(fleet, 'door', 'opened', '--wait');
  expect(refused).toMatchObject({
    status: 1,
    stdout: 'EventNotAllowed: opened is impossible in state closed\n',
  });
  const vetoed = ['ask', '--details', '{"locked": true}', '--wait', '--json'];
  const locked = await send(fleet, 'door', ...vetoed);
  expect(locked.status).toBe(1);
  expect(JSON.parse(locked.stdout)).toMatchObject({
    outcome: 'TransitionNotAllowed',
    reason: 'it is locked',
    originator: 'send',
  });
  const missing = await send(fleet, 'gate', 'ask', '--grace', '0', '--wait');
  expect(missing).toMatchObject({ status: 1, stdout: 'FsmNotFound: there is no instance gate\n' });
  // By its state file's name, too.
  const scrapped = await send(fleet, 'door.state-3', 'scrap', '--wait');
  expect(scrapped).toMatchObject({ status: 0, stdout: 'Ok: closed → gone\n' });
  const late = await send(fleet, 'door', 'ask', '--wait');
  expect(late).toMatchObject({ status: 1, stdout: expect.stringContaining('has ended') });

  const shown = await run('show', 'door', '--dir', fleet.dir, '--json');
  const { chain } = JSON.parse(shown.stdout) as { chain: { state: string; flag: string }[] };
  expect(chain.map(({ state, flag }) => [state, flag])).toEqual([
    ['door', 'done'],
    ['opening', 'done'],
    ['open', 'done'],
    ['closed', 'done'],
    ['closed', 'done'],
    ['closed', 'done'],
    ['gone', 'done'],
  ]);
  const text = await run('show', 'bell', '--dir', fleet.dir);
  expect(text).toMatchObject({ status: 0, stdout: expect.stringContaining('bell.state-1') });

  worker.kill('SIGTERM');
  expect((await worker.ended).status).toBe(0);
  expect(fleet.list('events')).toEqual([]);
  expect(fleet.list('waiting')).toEqual(['bell.state-1']);
  expect(worker.stderr).not.toContain('"level":"error"');
});

test('without --wait the event is pending until a worker applies it; a delayed one until it is due', async () => {
  await using fleet = new Fleet();
  const machines = putMachines(fleet);
  fleet.put('bell.state', { state: 'bell' });
  expect((await fleet.worker('ant', machines).ended).status).toBe(0);
  const ring = await send(fleet, 'bell', 'ring', '--id', 'ring');
  expect(ring).toMatchObject({
    status: 0,
    stdout: 'sent ring; flockwork outcome ring prints the outcome\n',
  });
  const hush = await send(fleet, 'bell', 'hush', '--id', 'hush', '--in', '1s', '--json');
  expect(hush.status).toBe(0);
  const { id, sent } = JSON.parse(hush.stdout) as { id: string; sent: string };
  expect(id).toBe('hush');
  expect(parseEventName(sent)).toMatchObject({ isDelayed: true, key: 'hush', to: 'bell' });
  expect(fleet.list('events')).toHaveLength(2);
  expect((await run('status', '--dir', fleet.dir)).status).toBe(3);
  expect((await run('outcome', 'hush', '--dir', fleet.dir)).status).toBe(3);
  // Its worker does not go before the delayed one is due, and was applied.
  const up = await run('up', '--dir', fleet.dir, '--workers', '1', ...machines);
  expect(up.status).toBe(0);
  const done = JSON.parse(fleet.read('outcomes/hush')) as { finished: string };
  const due = Date.parse(parseEventName(sent)!.time);
  expect(Date.parse(done.finished)).toBeGreaterThanOrEqual(due);
  expect((await run('log', '--dir', fleet.dir)).stdout).toMatch(/\t\tdone\tring: .* → /);
  expect(lastOf(fleet, 'bell').state).toBe('quiet');
  expect(fleet.list('events')).toEqual([]);
});

test('an event may have any id, and the command that is printed for it takes it', async () => {
  await using fleet = new Fleet();
  const machines = putMachines(fleet);
  fleet.put('bell.state', { state: 'bell' });
  expect((await fleet.worker('ant', machines).ended).status).toBe(0);
  const ids = ["-it's ../a/b 😀", 'x'.repeat(200)];
  for (const id of ids) {
    const sent = await send(fleet, 'bell', 'ring', `--id=${id}`);
    const word = id.startsWith('-') ? `-- '-it'\\''s ../a/b 😀'` : id;
    const stdout = `sent ${id}; flockwork outcome ${word} prints the outcome\n`;
    expect(sent).toMatchObject({ status: 0, stdout });
  }
  expect((await run('up', '--dir', fleet.dir, '--workers', '1', ...machines)).status).toBe(0);
  for (const id of ids) {
    const over = await run('outcome', '--json', '--dir', fleet.dir, '--', id);
    expect(JSON.parse(over.stdout)).toMatchObject({ id, event: 'ring' });
  }
  const shown = await run('show', 'bell', '--json', '--dir', fleet.dir);
  for (const id of ids) expect(shown.stdout).toContain(`"id":${JSON.stringify(id)}`);
});

test('send --wait that is stopped prints how to continue, and leaves the event', async () => {
  await using fleet = new Fleet();
  fleet.put('bell.state', { state: 'bell' });
  expect((await fleet.worker('ant', putMachines(fleet)).ended).status).toBe(0);
  const sending = fleet.command('send', 'bell', 'ring', '--id', 'ring', '--wait');
  await fleet.until('it is sent', () => fleet.list('events').some((one) => one.endsWith('@bell')));
  const wait = ['--id', 'ring', '--wait', '--timeout', '10ms', '--dir', fleet.dir];
  const timed = await run('send', 'bell', 'ring', ...wait);
  expect(timed).toMatchObject({ status: 3, stderr: expect.stringContaining('within 10 ms') });
  sending.kill('SIGTERM');
  expect(await sending.ended).toMatchObject({
    status: 3,
    stderr: expect.stringContaining('try flockwork outcome ring later'),
  });
  // Both are on their way; of one id, one will be applied.
  expect(fleet.list('events')).toHaveLength(2);
});

describe('send refuses, and sends nothing for', () => {
  let fleet: Fleet;
  beforeAll(async () => {
    fleet = new Fleet();
    expect((await fleet.worker('ant').ended).status).toBe(0);
  });
  afterAll(() => fleet[Symbol.asyncDispose]());

  test.each([
    [[], 'send needs INSTANCE and EVENT'],
    [['door'], 'send needs INSTANCE and EVENT'],
    [['door', ''], 'expected send INSTANCE EVENT'],
    [['door', 'open', 'now'], 'unexpected "now" (quote what has spaces)'],
    [['.door', 'ask'], 'not a valid instance'],
    [['a/b', 'ask'], 'not a valid instance'],
    [['x'.repeat(200), 'ask'], 'bytes, more than 200'],
    [['door', 'ask', '--details', '{'], 'cannot use --details: line 1, column 2: not JSON'],
    [['door', 'ask', '--details', ''], '--details'],
    [['door', 'ask', '--id', 'i'.repeat(201)], 'expected 1 to 200 characters'],
    [['door', 'ask', '--in', 'soon'], '--in'],
    [['door', 'ask', '--in', '1000000000h'], '--in: '],
    [['door', 'ask', '--grace', 'long'], '--grace'],
    [['door', 'ask', '--wait', 'yes'], 'unexpected "yes"'],
    [['door', 'ask', '--timeout', '1s'], '--timeout needs --wait'],
  ])('%j', async (args, words) => {
    expect(await send(fleet, ...args)).toMatchObject({
      status: 2,
      stdout: '',
      stderr: expect.stringContaining(words),
    });
    expect(fleet.list('events')).toEqual([]);
  });

  test('details from a configuration file', async () => {
    writeFileSync(join(fleet.dir, '.c.json'), JSON.stringify({ details: '{}' }));
    const ran = await send(fleet, 'door', 'ask', '--config', join(fleet.dir, '.c.json'));
    expect(ran).toMatchObject({ status: 2, stderr: expect.stringContaining('for one call only') });
    expect(fleet.list('events')).toEqual([]);
  });

  test('a directory that does not exist', async () => {
    const ran = await run('send', 'door', 'ask', '--dir', '/nowhere');
    expect(ran).toMatchObject({ status: 2, stderr: expect.stringContaining('no directory') });
  });
});
