/** A machine as an SVG picture. */
import type { Machine } from '../machine/definition.ts';
import { drawingOf, type Node } from './diagram.ts';
import { layOut, type DiagramLayout, type Point, type Size } from './layout.ts';

/** Of DejaVu Sans Mono, and nearly of other monospace fonts. */
const CHARACTER_WIDTH_EM = 0.602;
const FONT_SIZES = { box: 13, label: 11, title: 15 };
const LINE_HEIGHT_EM = 1.25;
const MAX_TEXT_CHARACTERS = 60;
/** How far a loop extends beyond its ends, at either side. */
const LOOP_WIDTH = 8;
const FILL_COLORS = { runnable: '#dbeafe', waiting: '#ffffff', terminal: '#e5e7eb' } as const;
const INK = '#1f2937';
const PAPER = '#ffffff';
/** For viewers that prefer dark pages; the attributes are for all others and for programs without style sheets. */
const DARK_STYLE = [
  '@media (prefers-color-scheme: dark) {',
  '.flockwork { fill: #e5e7eb }',
  '.flockwork .paper { fill: #111827 }',
  '.flockwork .line { stroke: #9ca3af }',
  '.flockwork marker path { fill: #9ca3af }',
  '.flockwork .runnable { fill: #1e3a8a }',
  '.flockwork .waiting { fill: #111827 }',
  '.flockwork .terminal { fill: #374151 }',
  '}',
].join(' ');

export function svgOf(machine: Machine): string {
  const { title, nodes, arrows } = drawingOf(machine);
  const index = new Map(nodes.map(({ name }, place) => [name, place]));
  const start = nodes.findIndex(({ isInitial }) => isInitial);
  const sizes = nodes.map(({ text }) => padded(sizeOf([text], FONT_SIZES.box), 12));
  const links = arrows.map(({ from, to, labels }) => ({
    from: index.get(from)!,
    to: index.get(to)!,
    label: padded(sizeOf(labels, FONT_SIZES.label), 2),
  }));
  const { width, height, boxes, labels, paths } = layOut(sizes, links, start);
  const head = FONT_SIZES.title * 2;
  const wide = Math.ceil(
    Math.max(width, sizeOf([title], FONT_SIZES.title).width + 2 * FONT_SIZES.title),
  );
  const tall = Math.ceil(height + head);
  const first = { x: boxes[start]!.x - boxes[start]!.width / 2, y: boxes[start]!.y };
  const parts = [
    `<title>${escape(title)}</title>`,
    `<style>${DARK_STYLE}</style>`,
    '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto"><path d="M0 0 8 4 0 8z"/></marker></defs>',
    `<rect class="paper" width="${wide}" height="${tall}" fill="${PAPER}"/>`,
    writing([title], { x: wide / 2, y: FONT_SIZES.title }, FONT_SIZES.title, 'font-weight="bold"'),
    `<g transform="translate(0 ${head})">`,
    `<circle cx="${number(first.x - 26)}" cy="${number(first.y)}" r="5"/>`,
    line([{ x: first.x - 26, y: first.y }, first], false),
    ...paths.map((path, place) => line(path, arrows[place]!.isChoice)),
    ...arrows.map((arrow, place) => label(arrow.labels, labels[place]!)),
    ...nodes.map((node, place) => box(node, boxes[place]!)),
    '</g>',
  ];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" class="flockwork" width="${wide}" height="${tall}" viewBox="0 0 ${wide} ${tall}" font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" fill="${INK}">`,
    ...parts.map((part) => `  ${part}`),
    '</svg>',
  ].join('\n');
}

/** Characters of double width, such as Chinese ones. */
const DOUBLE_WIDTH =
  /[\u1100-\u115f\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60]|\p{Emoji_Presentation}/u;

function shortened(name: string): string {
  const characters = [...name];
  return characters.length > MAX_TEXT_CHARACTERS
    ? `${characters.slice(0, MAX_TEXT_CHARACTERS - 1).join('')}…`
    : name;
}

function sizeOf(lines: readonly string[], size: number): Size {
  const widths = lines.map((one) =>
    [...shortened(one)].reduce((sum, character) => sum + (DOUBLE_WIDTH.test(character) ? 2 : 1), 0),
  );
  return {
    width: Math.max(...widths) * size * CHARACTER_WIDTH_EM,
    height: lines.length * size * LINE_HEIGHT_EM,
  };
}

function padded({ width, height }: Size, by: number): Size {
  return { width: width + 2 * by, height: height + by };
}

function box(
  { text: name, kind }: Node,
  { x, y, width, height }: DiagramLayout['boxes'][number],
): string {
  const frame = (inset: number, fill: string, names: string): string =>
    `<rect class="${names}" x="${number(x - width / 2 + inset)}" y="${number(y - height / 2 + inset)}" width="${number(width - 2 * inset)}" height="${number(height - 2 * inset)}" rx="${8 - inset}" fill="${fill}" stroke="${INK}"/>`;
  const frames =
    frame(0, FILL_COLORS[kind], `line ${kind}`) +
    (kind === 'terminal' ? frame(3, 'none', 'line') : '');
  return `<g>${whole([name])}${frames}${writing([name], { x, y }, FONT_SIZES.box)}</g>`;
}

function label(lines: readonly string[], { x, y }: Point): string {
  const { width, height } = padded(sizeOf(lines, FONT_SIZES.label), 1);
  const back = `<rect class="paper" x="${number(x - width / 2)}" y="${number(y - height / 2)}" width="${number(width)}" height="${number(height)}" fill="${PAPER}"/>`;
  return `<g>${whole(lines)}${back}${writing(lines, { x, y }, FONT_SIZES.label)}</g>`;
}

/** A tooltip with the full text of shortened lines. */
function whole(lines: readonly string[]): string {
  return lines.every((one) => shortened(one) === one)
    ? ''
    : `<title>${escape(lines.join('; '))}</title>`;
}

function writing(lines: readonly string[], { x, y }: Point, size: number, more = ''): string {
  const first = y - ((lines.length - 1) / 2) * size * LINE_HEIGHT_EM + size * 0.35;
  const spans = lines.map(
    (one, place) =>
      `<tspan x="${number(x)}" y="${number(first + place * size * LINE_HEIGHT_EM)}">${escape(shortened(one))}</tspan>`,
  );
  return `<text text-anchor="middle" font-size="${size}" xml:space="preserve"${more && ` ${more}`}>${spans.join('')}</text>`;
}

/** A curve that is horizontal at every point; three points are a loop that turns at the second. */
function line(points: readonly Point[], isDashed: boolean): string {
  const [first, ...rest] = points as [Point, ...Point[]];
  const at = ({ x, y }: Point): string => `${number(x)} ${number(y)}`;
  const commands = [`M${at(first)}`];
  if (points.length === 3) {
    const [turn, last] = rest as [Point, Point];
    // Half-way, a curve is at a quarter of the height of its ends and three quarters of what it is drawn to.
    const y = (4 * turn.y - first.y) / 3;
    const bow = [first.x - LOOP_WIDTH, last.x + LOOP_WIDTH].map((x) => ({ x, y }));
    commands.push(`C${[...bow, last].map(at).join(' ')}`);
  } else {
    let before = first;
    for (const point of rest) {
      const half = (before.x + point.x) / 2;
      commands.push(
        `C${[{ x: half, y: before.y }, { x: half, y: point.y }, point].map(at).join(' ')}`,
      );
      before = point;
    }
  }
  const dashes = isDashed ? ' stroke-dasharray="5 3"' : '';
  return `<path class="line" d="${commands.join('')}" fill="none" stroke="${INK}" marker-end="url(#tip)"${dashes}/>`;
}

function number(value: number): string {
  return String(Math.round(value * 10) / 10);
}

function escape(name: string): string {
  return name.replace(/[&<>"']/g, (one) => `&#${one.charCodeAt(0)};`);
}
