/** Checks every snippet of docs/machines.md: modules compile and load, commands print the output below them. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nameOf, Snippets } from '../snippets.ts';

const snippets = new Snippets('docs/machines.md');
const { sources, sessions } = snippets;

beforeAll(() => {
  snippets.open();
  mkdirSync(join(snippets.folder, 'stateFiles'));
});
afterAll(() => snippets.close());

test('every snippet has a language that is checked', () => {
  const tried = ['ts', 'js', 'yaml', 'console', 'mermaid'];
  expect(snippets.all.filter(({ language }) => !tried.includes(language))).toEqual([]);
  expect(snippets.page.match(/^```\w/gm)).toHaveLength(snippets.all.length);
  expect(sources.map(nameOf)).not.toContain('');
  expect(sources.length).toBeGreaterThan(5);
  expect(sessions.length).toBeGreaterThan(7);
});

test('modules compile', async () => {
  expect(await snippets.compile()).toBe('');
});

describe('a command prints the output below it', () => {
  test.each(sessions)('%s', async (command, output) => {
    const [program, ...args] = command.split(' ');
    expect(program).toBe('flockwork');
    expect(await snippets.flockwork(...args)).toBe(output);
  });

  test('forks and joins the trip', async () => {
    const rome = JSON.stringify({ state: 'trip', payload: { to: 'Rome' } });
    writeFileSync(join(snippets.folder, 'stateFiles', 'rome.state'), rome);
    await snippets.flockwork('worker', '--machines', 'trip.ts');
    const shown = JSON.parse(await snippets.flockwork('show', 'rome', '--json')) as {
      chain: { name: string; output?: object }[];
    };
    const by = (branch: string): unknown => expect.stringMatching(`/rome~0~${branch}.state$`);
    expect(shown.chain.at(-1)!.output).toEqual({ flight: by('flight'), hotel: by('hotel') });
  });

  test('shows the diagram of the door', async () => {
    const diagram = snippets.all.find(({ language }) => language === 'mermaid')!;
    expect(await snippets.flockwork('graph', 'door.ts')).toBe(diagram.text);
  });

  test('validates the machines that it calls right', async () => {
    const right = ['door.ts', 'hatch.ts', 'scan.ts', 'parcel.ts', 'trip.ts', 'orders.yaml'];
    expect(await snippets.flockwork('validate', ...right)).toBe('6 checked, all right\n');
  });
});
