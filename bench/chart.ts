/** Horizontal bars as SVG: the medians, with a line from the smallest to the largest; for light and dark pages. */
import type { Summary } from './statistics.ts';

export interface Bar {
  readonly label: string;
  readonly summary: Summary;
  /** Ours. */
  readonly isOwn: boolean;
}

const WIDTH = 760;
const LABELS_WIDTH = 250;
const FIGURES_WIDTH = 110;
const LINE_HEIGHT = 26;
const BAR_HEIGHT = 16;
const HEAD_HEIGHT = 34;
const STYLE = `
  text { font: 13px system-ui, sans-serif; fill: #1f2328 }
  .title { font-weight: 600 }
  .other { fill: #8c959f }
  .own { fill: #0969da }
  .spread { stroke: #1f2328; stroke-width: 1.5 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .other { fill: #6e7681 }
    .own { fill: #4493f8 }
    .spread { stroke: #e6edf3 }
  }`;

export function chartFile(base: string, row: string, metric: string): string {
  return `${base}-${row}-${metric}.svg`;
}

export function renderChart(title: string, bars: readonly Bar[], digits: number): string {
  const height = HEAD_HEIGHT + bars.length * LINE_HEIGHT + 8;
  const most = Math.max(...bars.map(({ summary }) => summary.max));
  const scale = (value: number): number =>
    most > 0 ? Math.round((value / most) * (WIDTH - LABELS_WIDTH - FIGURES_WIDTH) * 10) / 10 : 0;
  const lines = bars.flatMap(({ label, summary, isOwn }, index) => {
    const top = HEAD_HEIGHT + index * LINE_HEIGHT;
    const middle = top + BAR_HEIGHT / 2;
    const text = summary.median.toLocaleString('en', { maximumFractionDigits: digits });
    const [from, to] = [LABELS_WIDTH + scale(summary.min), LABELS_WIDTH + scale(summary.max)];
    return [
      `<text x="${LABELS_WIDTH - 8}" y="${middle + 5}" text-anchor="end">${escape(label)}</text>`,
      `<rect class="${isOwn ? 'own' : 'other'}" x="${LABELS_WIDTH}" y="${top}" width="${scale(summary.median)}" height="${BAR_HEIGHT}" rx="2"/>`,
      `<line class="spread" x1="${from}" x2="${to}" y1="${middle}" y2="${middle}"/>`,
      `<text x="${to + 8}" y="${middle + 5}">${text}</text>`,
    ];
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="${escape(title)}">`,
    `<style>${STYLE}\n</style>`,
    `<text class="title" x="8" y="20">${escape(title)}</text>`,
    ...lines,
    '</svg>\n',
  ].join('\n');
}

function escape(text: string): string {
  const names: Readonly<Record<string, string>> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
  };
  return text.replaceAll(/[&<>"]/g, (character) => names[character]!);
}
