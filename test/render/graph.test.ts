import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Machine } from '../../src/machine/definition.ts';
import { done } from '../../src/machine/answer.ts';
import { machine } from '../../src/machine/machine.ts';
import { choose, impossible, same } from '../../src/machine/table.ts';
import { dotOf, mermaidOf } from '../../src/render/diagram.ts';
import { matrixOf } from '../../src/render/matrix.ts';
import { svgOf } from '../../src/render/svg.ts';
import { shortDuration, visible } from '../../src/render/text.ts';

/** A machine with every kind of cell and these names. */
function named(names: readonly string[]): Machine {
  const [shut, open, going, gone, push, pull, label, goal] = names as [
    string,
    string,
    string,
    string,
    string,
    string,
    string,
    string,
  ];
  const row = (one: never, other: never): object => ({ [push]: one, [pull]: other });
  const choice = choose(label, [going, same, impossible], () => same);
  return machine({
    name: 'door',
    version: '2',
    states: [shut, open, going, gone],
    events: [push, pull],
    initial: shut,
    table: Object.fromEntries([
      [shut, row(open as never, impossible as never)],
      [open, row(choice as never, same as never)],
      [going, row(shut as never, gone as never)],
      [gone, row(gone as never, same as never)],
    ]) as never,
    goals: { [push]: goal },
    after: { [going]: { '1.5s': pull } },
    activities: { [open]: () => done() },
  } as never);
}

const PLAIN = ['shut', 'open', 'going', 'gone', 'push', 'pull', 'locked', 'other side'];
const DOOR = named(PLAIN);
const ODD = [
  '"',
  '\\',
  '\\"',
  '|',
  'a|b',
  '\\|',
  '`',
  '<b>',
  '&amp;',
  '&',
  "'",
  ']]>',
  '-->',
  '--',
  '%%',
  '#',
  '#35;',
  ';',
  ':',
  'a\nb',
  '\r',
  '\t',
  '\0',
  ' ',
  ' a',
  '{',
  '}',
  '[*]',
  '[[fork]]',
  '<<join>>',
  'note',
  'end note',
  'direction LR',
  'state',
  '\\N',
  '\\n',
  '*',
  '_a_',
  '__proto__',
  'constructor',
  '\u2028',
  '\ud800',
  '😀',
  '状態',
  '</svg>',
  '<!--',
  '${a}',
  '1. a',
  '- a',
  '"; x [label="y"]',
  '%%{init',
  '\u202e',
  'é',
  '­',
] as const;
const oddNames = fc.uniqueArray(
  fc.oneof(
    fc.constantFrom(...ODD),
    fc.string({ minLength: 1, unit: 'binary' }),
    fc.string({ minLength: 1 }),
  ),
  { minLength: PLAIN.length, maxLength: PLAIN.length },
);

test('the matrix', () => {
  expect(matrixOf(DOOR)).toBe(
    `
|       | push                    | pull   |
| ----- | ----------------------- | ------ |
| shut  | → open                  | ✗      |
| open  | locked: → going / · / ✗ | ·      |
| going | → shut                  | → gone |
| gone  | → gone                  | ·      |

Starts in shut.
Goals: push: other side.
Timers: going, after 1.5s: pull.
`.trim(),
  );
});

test('the matrix names the activities of hooks', () => {
  const gate = machine({
    name: 'gate',
    states: ['shut', 'open'],
    events: ['push'],
    initial: 'shut',
    table: { shut: { push: 'open' }, open: { push: 'shut' } },
    hooks: {
      after: ({ to }) => [{ run: to === 'open' ? 'tell' : 'note_it' }],
      activities: { tell: { run: 'true' }, note_it: () => undefined },
    },
  });
  expect(matrixOf(gate)).toMatch(
    /\n\nStarts in shut.\nAfter transitions, it may run: tell; note_it.$/,
  );
});

test('Mermaid', () => {
  expect(mermaidOf(DOOR)).toBe(
    `
stateDiagram-v2
  state "shut" as s0
  state "open" as s1
  state "going" as s2
  state "gone" as s3
  [*] --> s0
  s0 --> s1 : push
  s1 --> s2 : push [locked]
  s2 --> s0 : push
  s2 --> s3 : pull (after 1#46;5s)
  s3 --> s3 : push
  s3 --> [*]
`.trim(),
  );
});

test('DOT', () => {
  const text = dotOf(DOOR);
  expect(text).toMatch(/^digraph "door:2" \{\n/);
  for (const line of [
    's0 [label="shut", style=rounded];',
    's1 [label="open", style="rounded,filled", fillcolor="#dbeafe"];',
    's3 [label="gone", style=rounded, peripheries=2];',
    'start -> s0;',
    's1 -> s2 [label="push [locked]", style=dashed];',
    's2 -> s3 [label="pull (after 1.5s)"];',
  ]) {
    expect(text.split('\n').map((one) => one.trim())).toContain(line);
  }
});

test('a picture has dark colours for everything that it draws', () => {
  const text = svgOf(DOOR);
  expect(text).toContain('@media (prefers-color-scheme: dark)');
  const styled = new Set(Array.from(text.matchAll(/\.flockwork \.([a-z]+)/g), ([, name]) => name));
  const used = new Set(
    Array.from(text.matchAll(/ class="([^"]+)"/g)).flatMap(([, names]) => names!.split(' ')),
  );
  used.delete('flockwork');
  expect(used).toEqual(styled);
});

describe('a machine without a table', () => {
  const pipeline = machine({
    name: 'pipeline',
    activities: { count: { run: 'wc', next: 'file' }, file: { run: 'cat' } },
  });

  test('is drawn with the next states of its commands', () => {
    expect(mermaidOf(pipeline)).toContain('s0 --> s1 : exit 0');
    expect(svgOf(pipeline)).toContain('>count</tspan>');
  });

  test('has no matrix', () => {
    expect(() => matrixOf(pipeline)).toThrow(expect.objectContaining({ code: 'no-table' }));
  });
});

describe('with any names', () => {
  test('a Markdown table has the same rows and columns, and shows the names', () => {
    fc.assert(
      fc.property(oddNames, (names) => {
        const [head, , ...lines] = matrixOf(named(names)).split('\n');
        const cells = (line: string): string[] =>
          line
            .split(/(?<!(?<!\\)(?:\\\\)*\\)\|/)
            .map((cell) => cell.trim().replace(/\\([!-/:-@[-`{-~])/g, '$1'));
        const [shut, open, going, gone, push, pull, label] = names.map(visible);
        expect(cells(head!)).toEqual(['', '', push, pull, '']);
        expect(lines.slice(0, 5).map((line) => (line === '' ? [] : cells(line)))).toEqual([
          ['', shut, `→ ${open}`, '✗', ''],
          ['', open, `${label}: → ${going} / · / ✗`, '·', ''],
          ['', going, `→ ${shut}`, `→ ${gone}`, ''],
          ['', gone, `→ ${gone}`, '·', ''],
          [],
        ]);
      }),
    );
  });

  test('a matrix has no tag, entity, code or emphasis', () => {
    fc.assert(
      fc.property(oddNames, (names) => {
        const text = matrixOf(named(names)).replace(/\\[!-/:-@[-`{-~]/g, '');
        expect(text).not.toMatch(/[\\<>&`*[\]~$#]/);
      }),
    );
  });

  /** Lines that Mermaid's lexer must see. */
  const MERMAID =
    /^( {2}(state "[^"\n]*" as s\d|(\[\*\]|s\d) --> (\[\*\]|s\d)( : [^:\n;"]+)?)|stateDiagram-v2)$/;

  test('Mermaid reads the same statements, and shows the names', () => {
    fc.assert(
      fc.property(oddNames, (names) => {
        const lines = mermaidOf(named(names)).split('\n');
        const coded = lines.map((line) => line.replace(/#(\d+);/g, '°$1^'));
        for (const line of coded) {
          expect(line).toMatch(MERMAID);
          expect(line).not.toMatch(/%%|#|;|\{|\}|direction\s|<<|\[\[|-->.*-->/i);
        }
        const skeleton = (all: readonly string[]): string[] =>
          all.map((line) => line.replace(/"[^"]*"/, '""').replace(/ : .*/, ' : '));
        expect(skeleton(lines)).toEqual(skeleton(mermaidOf(DOOR).split('\n')));
        const shown = /"(.*)"/.exec(lines[1]!)![1]!;
        expect(shown.replace(/#(\d+);/g, (_, code) => String.fromCodePoint(Number(code)))).toBe(
          visible(names[0]!),
        );
      }),
    );
  });

  /** Graphviz strings: a backslash escapes the next character. */
  const DOT_STRING = /"(?:[^"\\]|\\[^])*"/g;

  test('Graphviz reads the same tokens, and shows the names', () => {
    fc.assert(
      fc.property(oddNames, (names) => {
        const text = dotOf(named(names));
        expect(text.replace(DOT_STRING, '""')).toBe(dotOf(DOOR).replace(DOT_STRING, '""'));
        expect(text).not.toMatch(/&(?!amp;)/);
        const shown = / {2}s0 \[label="((?:[^"\\]|\\.)*)"/.exec(text)![1]!;
        expect(shown.replace(/\\(.)/g, '$1').replaceAll('&amp;', '&')).toBe(visible(names[0]!));
      }),
    );
  });

  test('SVG has the same elements, and no character that XML forbids', () => {
    const TAG = /<(\/?[a-z]+)[^<>]*>/g;
    const elements = (text: string): string[] =>
      [...text.matchAll(TAG)].map(([, tag]) => tag!).filter((tag) => !/^\/?title$/.test(tag));
    fc.assert(
      fc.property(oddNames, (names) => {
        const text = svgOf(named(names));
        expect(elements(text)).toEqual(elements(svgOf(DOOR)));
        const content = text.replace(TAG, '');
        expect(content).not.toMatch(/[<>"']|&(?!#\d+;)/);
        expect(content).not.toMatch(/[\0-\u0008\u000b-\u001f\ufffe\uffff]|\p{Surrogate}/u);
        expect(text).not.toMatch(/NaN|Infinity|undefined/);
      }),
    );
  });
});

/** Random tables, for graphs of every shape. */
const machines = fc.integer({ min: 1, max: 9 }).chain((count) => {
  const states = Array.from({ length: count }, (_, index) => `s${index}`);
  const events = ['a', 'b', 'c'];
  const cell = fc.constantFrom(...states, same);
  const row = fc
    .tuple(cell, cell, cell)
    .map((cells) => Object.fromEntries(events.map((event, index) => [event, cells[index]])));
  return fc.array(row, { minLength: count, maxLength: count }).map((rows) =>
    machine({
      name: 'any',
      states,
      events,
      initial: 's0',
      table: Object.fromEntries(rows.map((one, index) => [states[index], one])) as never,
    }),
  );
});

test('boxes and labels of a picture do not overlap, and are inside of it', () => {
  const RECT = /<rect x="(.*?)" y="(.*?)" width="(.*?)" height="(.*?)"( rx="8")?/g;
  fc.assert(
    fc.property(machines, (one) => {
      const text = svgOf(one);
      const [, width, height] = /width="(\d+)" height="(\d+)"/.exec(text)!.map(Number);
      const rects = [...text.matchAll(RECT)].map(([, x, y, w, h]) => [x, y, w, h].map(Number));
      for (const [index, [x, y, w, h]] of rects.entries() as Iterable<
        [number, [number, number, number, number]]
      >) {
        expect(x >= 0 && y >= 0 && x + w <= width! && y + h <= height!).toBe(true);
        for (const [x2, y2, w2, h2] of rects.slice(index + 1) as [
          number,
          number,
          number,
          number,
        ][]) {
          const isInner = x2 === x + 3 && y2 === y + 3;
          const isApart = x + w <= x2 || x2 + w2 <= x || y + h <= y2 || y2 + h2 <= y;
          expect(isInner || isApart).toBe(true);
        }
      }
    }),
  );
});

test('the same machine has the same picture', () => {
  expect(svgOf(named(PLAIN))).toBe(svgOf(DOOR));
});

test('writes durations as in a machine', () => {
  expect(
    [1, 150, 1000, 1500, 60_000, 90_000, 61_000, 3_600_000, 100_001].map(shortDuration),
  ).toEqual(['1ms', '150ms', '1s', '1.5s', '1m', '1.5m', '61s', '1h', '100001ms']);
});
