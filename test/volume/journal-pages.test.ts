/** Pages of the journals: each entry once, whatever is written meanwhile. */
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readTicks } from '../../src/volume/journal-pages.ts';
import { Layout } from '../../src/volume/layout.ts';
import { NodeFiles } from '../../src/volume/node-files.ts';

const START_MS = Date.UTC(2026, 0, 1);
const files = new NodeFiles();
let layout: Layout;

beforeEach(() => {
  layout = new Layout(mkdtempSync(join(tmpdir(), 'flockwork-pages-')));
  mkdirSync(join(layout.root, '.flockwork', 'journal'), { recursive: true });
});
afterEach(() => rmSync(layout.root, { recursive: true, force: true }));

const pathOf = (session: string, suffix = ''): string =>
  layout.internal('journal', `${session}${suffix}.jsonl`);

/** `at`: seconds after the start. */
function line(state: string, at: number): string {
  const started = new Date(START_MS + at * 1000).toISOString();
  const rest = { duration: 0, state, machine: 'm', attempt: 1, result: 'done' };
  return `${JSON.stringify({ started, ...rest })}\n`;
}

const ANT = 'ant.aaaaaaaa';
const BEE = 'bee.bbbbbbbb';

/** States on all pages from `after` on, and the last cursor. */
async function readAll(
  limit: number,
  after?: string,
  since?: string,
): Promise<{ readonly states: string[]; readonly next: string }> {
  const states: string[] = [];
  let cursor = after;
  for (;;) {
    const page = { limit, ...(cursor !== undefined && { after: cursor }) };
    const { ticks, next } = await readTicks(files, layout, since, page);
    states.push(...ticks.map(({ state }) => state));
    cursor = next;
    if (ticks.length === 0) return { states, next };
  }
}

describe('pages of the journals', () => {
  test.each([1, 2, 3, 100])(
    'of %i entries have each once, by the time of its end',
    async (limit) => {
      writeFileSync(pathOf(ANT), line('a', 1) + line('d', 4));
      writeFileSync(pathOf(ANT, '.1'), line('f', 6));
      writeFileSync(pathOf(BEE), line('b', 2) + line('c', 3) + line('e', 5));
      const { states, next } = await readAll(limit);
      expect(states).toEqual(['a', 'b', 'c', 'd', 'e', 'f']);
      // Later ones go on there, although another clock says that they ended before.
      appendFileSync(pathOf(ANT, '.1'), line('late', 0));
      writeFileSync(pathOf('cow.cccccccc'), line('new', 7));
      expect((await readAll(limit, next)).states.sort()).toEqual(['late', 'new']);
    },
  );

  test('are in the order of the ends of the steps', async () => {
    const long = JSON.stringify({ ...JSON.parse(line('long', 1)), duration: 9000 });
    writeFileSync(pathOf(ANT), `${long}\n`);
    writeFileSync(pathOf(BEE), line('b', 2) + line('c', 3));
    for (const limit of [1, 3]) expect((await readAll(limit)).states).toEqual(['b', 'c', 'long']);
  });

  test('wait for the end of a line, and pass over what is no entry', async () => {
    const entire = line('é', 1);
    writeFileSync(pathOf(ANT), Buffer.concat([Buffer.from([0xff, 10]), Buffer.from('{}\n')]));
    appendFileSync(pathOf(ANT), entire.slice(0, 20));
    const { states, next } = await readAll(1);
    expect(states).toEqual([]);
    appendFileSync(pathOf(ANT), entire.slice(20));
    expect((await readAll(1, next)).states).toEqual(['é']);
  });

  test('have lines that are longer than what is read at a time', async () => {
    const long = 'x'.repeat(200_000);
    writeFileSync(pathOf(ANT), line(long, 1) + line('b', 2));
    expect((await readAll(1)).states).toEqual([long, 'b']);
  });

  test('begin with the steps that ended at a time', async () => {
    writeFileSync(pathOf(ANT), line('a', 1) + line('b', 2) + line('c', 3));
    writeFileSync(pathOf(BEE), line('old', 1));
    utimesSync(pathOf(BEE), START_MS / 1000, START_MS / 1000 + 1);
    const since = new Date(START_MS + 2000).toISOString();
    expect((await readAll(1, undefined, since)).states).toEqual(['b', 'c']);
  });

  test.each(['', 'x', '{}', '[1]', '[["a"]]'])(
    'start anew after the cursor "%s"',
    async (cursor) => {
      writeFileSync(pathOf(ANT), line('a', 1));
      expect((await readAll(10, cursor)).states).toEqual(['a']);
    },
  );
});
