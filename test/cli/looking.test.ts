/** The commands that look, without a process for each, on real directories. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Command, Io } from '../../src/cli/command.ts';
import { list } from '../../src/cli/commands/list.ts';
import { log } from '../../src/cli/commands/log.ts';
import { outcome } from '../../src/cli/commands/outcome.ts';
import { results } from '../../src/cli/commands/results.ts';
import { show } from '../../src/cli/commands/show.ts';
import { status } from '../../src/cli/commands/status.ts';
import { resolveSettings } from '../../src/cli/settings.ts';
import { UserError } from '../../src/machine/errors.ts';
import { TestVolume } from '../volume/harness.ts';
import { post, putLamp, workOff } from '../volume/post.ts';

interface Ran {
  readonly status: number;
  readonly lines: readonly string[];
  readonly said: string;
}

async function run(
  command: Command,
  dir: string,
  words: readonly string[] = [],
  flags: Readonly<Record<string, unknown>> = {},
): Promise<Ran> {
  const [printed, said]: [string[], string[]] = [[], []];
  const io = {
    print: (text: string) => printed.push(text),
    say: (text: string) => said.push(text),
    printed: async () => undefined,
    stop: new AbortController().signal,
  };
  const settings = resolveSettings({ flags: { dir: [dir], ...flags }, environment: {}, file: {} });
  let exit = 2;
  try {
    exit = await command.run(settings, words, io as unknown as Io);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    said.push(error.message);
  }
  return { status: exit, lines: printed.join('\n').split('\n'), said: said.join('\n') };
}

const json = ({ lines }: Ran): unknown[] => lines.map((line) => JSON.parse(line) as unknown);

describe('a directory that is not a volume', () => {
  test.each([
    ['status', status, []],
    ['list', list, []],
    ['results', results, []],
    ['outcome', outcome, ['x']],
  ])('is refused by %s', async (_name, command, words) => {
    const dir = mkdtempSync(join(tmpdir(), 'flockwork-looking-'));
    try {
      const ran = await run(command, dir, words);
      expect(ran).toMatchObject({ status: 2, lines: [''] });
      expect(ran.said).toContain(`${dir} is not a volume`);
    } finally {
      rmSync(dir, { recursive: true });
    }
  });

  test('becomes a volume by a state file, or an event, before the first worker', async () => {
    for (const name of ['a.state', 'events/19700101T000000.000Z~a@lamp']) {
      using volume = await TestVolume.create();
      volume.put(name, '{}');
      rmSync(join(volume.dir, '.flockwork'), { recursive: true });
      const ran = await run(status, volume.dir);
      expect(ran).toMatchObject({ status: 3, said: '' });
      expect(ran.lines.join('\n')).toContain('no worker has used this volume yet');
    }
  });
});

describe('an instance that events have moved', () => {
  test('is shown with its applied events, pending events and timer', async () => {
    using volume = await TestVolume.create();
    putLamp(volume, 'lamp');
    const ant = await volume.join('ant');
    post(volume, 'one', { at: 1, event: 'press', originator: 'me', details: { by: 'hand' } });
    post(volume, 'two', { at: 2, event: 'fade' });
    await workOff(ant);
    post(volume, 'next', { at: 3, event: 'smash', originator: 'you' });
    const { lines } = await run(show, volume.dir, ['lamp']);
    const text = lines.join('\n');
    expect(text).toContain('lamp.state event press from me {"by":"hand"}: Ok: off → on');
    expect(text).toMatch(/^timer: end in /m);
    expect(text).toContain('event smash is pending from you');
    const [told] = json(await run(show, volume.dir, ['lamp'], { json: true }));
    expect(told).toMatchObject({
      events: [
        { event: 'smash', originator: 'you', in: 0, isTimer: false },
        { event: 'end', isTimer: true },
      ],
    });
  });

  test('is counted in its state, with what it waits for', async () => {
    using volume = await TestVolume.create();
    putLamp(volume, 'lamp');
    const ant = await volume.join('ant');
    post(volume, 'one', { at: 1, event: 'fade' });
    await workOff(ant);
    const [report] = json(await run(status, volume.dir, [], { json: true }));
    expect(report).toMatchObject({
      machines: { lamp: { waiting: 1, done: 1 } },
      waiting: [{ machine: 'lamp', state: 'dying', count: 1 }],
      waits: [{ name: 'lamp.state-1', state: 'dying', events: [{ event: 'end' }] }],
    });
    const { lines } = await run(status, volume.dir);
    expect(lines.join('\n')).not.toContain('(unknown)');
    expect(lines.join('\n')).toMatch(/lamp\.state-1 +dying +an event: end in /);
  });

  test('has outcomes of applied events, and none of pending ones', async () => {
    using volume = await TestVolume.create();
    putLamp(volume, 'lamp');
    const ant = await volume.join('ant');
    post(volume, 'good', { at: 1 });
    post(volume, 'bad', { at: 2, event: 'fly' });
    await workOff(ant);
    post(volume, 'coming', { at: 3 });
    expect(await run(outcome, volume.dir, ['good'])).toMatchObject({
      status: 0,
      lines: ['Ok: off → on'],
    });
    expect(await run(outcome, volume.dir, ['bad'])).toMatchObject({
      status: 1,
      lines: ['EventNotAllowed: there is no event fly'],
    });
    const coming = await run(outcome, volume.dir, ['coming']);
    expect(coming).toMatchObject({ status: 3, lines: [expect.stringContaining('pending')] });
    expect(await run(outcome, volume.dir, ['none'])).toMatchObject({
      status: 2,
      said: expect.stringContaining('there is no event none'),
    });
  });
});

describe('outcome', () => {
  test.each(['a/b', ' ', 'line\nbreak', '-x', 'x'.repeat(200), '19700101T000000.001Z~good@lamp'])(
    'takes the id of an event, and the name of its file: %j',
    async (id) => {
      using volume = await TestVolume.create();
      putLamp(volume, 'lamp');
      const ant = await volume.join('ant');
      const file = post(volume, id, { at: 1 });
      for (const word of [id, file]) {
        const pending = await run(outcome, volume.dir, [word], { json: true });
        expect(pending).toMatchObject({ status: 3, lines: [expect.stringContaining('"lamp"')] });
        expect(json(pending)).toMatchObject([{ id, outcome: null }]);
      }
      await workOff(ant);
      for (const word of [id, file]) {
        const over = await run(outcome, volume.dir, [word], { json: true });
        expect(json(over)).toMatchObject([{ id, outcome: 'Ok' }]);
      }
      const shown = await run(show, volume.dir, ['lamp'], { json: true });
      expect(JSON.stringify(json(shown))).toContain(`"id":${JSON.stringify(id)}`);
    },
  );

  test.each(['', 'x'.repeat(201)])('refuses what is no id: %j', async (word) => {
    using volume = await TestVolume.create();
    await expect(run(outcome, volume.dir, [word])).resolves.toMatchObject({
      status: 2,
      said: expect.stringContaining('expected 1 to 200 characters'),
    });
  });
});

describe('list', () => {
  test('prints pages, and filters', async () => {
    using volume = await TestVolume.create();
    for (let index = 0; index < 25; index += 1) {
      const name = `s${String(index).padStart(2, '0')}`;
      volume.put(`${name}.state`, { state: index % 5 === 0 ? 'rare' : 'usual', machine: 'm:2' });
      if (index % 2 === 0) volume.put(`done/${name}.state`, '');
    }
    const names = async (flags: Record<string, unknown>): Promise<[string[], string]> => {
      const ran = await run(list, volume.dir, [], { json: true, ...flags });
      const found = ran.lines[0] === '' ? [] : json(ran);
      return [(found as { instance: string }[]).map(({ instance }) => instance), ran.said];
    };
    expect((await names({}))[0]).toHaveLength(25);
    const [page, more] = await names({ limit: 3, after: 's04' });
    expect([page, more]).toEqual([['s05', 's06', 's07'], '… and more: flockwork list --after s07']);
    expect(await names({ limit: 3, after: 's21' })).toEqual([['s22', 's23', 's24'], '']);
    expect(await names({ state: 'rare', machine: 'm' })).toEqual([
      ['s00', 's05', 's10', 's15', 's20'],
      '',
    ]);
    expect((await names({ state: 'rare', machine: 'm:2', limit: 5 }))[1]).toBe('');
    expect((await names({ state: 'rare', limit: 4 }))[1]).toContain('--after s15');
    expect((await names({ status: 'done', prefix: 's1' }))[0]).toEqual([
      's10',
      's12',
      's14',
      's16',
      's18',
    ]);
    expect(await names({ machine: 'other' })).toEqual([[], '']);
    const { lines } = await run(list, volume.dir, [], { status: 'available', limit: 1 });
    expect(lines).toEqual([
      expect.stringMatching(/^instance +machine +state +is +for$/),
      expect.stringMatching(/^s01 +m:2 +usual +available/),
    ]);
  });
});

test('log prints a line for each step, with the transitions of events', async () => {
  using volume = await TestVolume.create();
  const ant = await volume.join('ant');
  const { worker, session } = ant.session.token;
  const step = { duration: 0, machine: 'door', worker, session, result: 'done' } as const;
  await ant.session.journal([
    { ...step, started: '2026-01-01T00:00:00.000Z', state: 'a.state', attempt: 1 },
    {
      ...step,
      started: '2026-01-01T00:00:01.000Z',
      state: 'a.state-1',
      attempt: 0,
      events: [
        { event: 'open', outcome: 'Ok', from: 'shut', to: 'open' },
        { event: 'fly', outcome: 'EventNotAllowed', from: 'open' },
      ],
    },
  ]);
  expect((await run(log, volume.dir)).lines.slice(1)).toEqual([
    '2026-01-01T00:00:00.000Z\t0\ta.state\tdoor\tant\t1\tdone\t',
    '2026-01-01T00:00:01.000Z\t\ta.state-1\tdoor\tant\t\tdone\topen: shut → open; fly: EventNotAllowed',
  ]);
});
