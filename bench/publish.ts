/** Writes the results of a run: the figures, the page, and its charts. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { format, resolveConfig } from 'prettier';
import { chartFile, renderChart, type Bar } from './chart.ts';
import type { Row } from './model.ts';
import { run } from './processes.ts';
import { renderPage, summaryOf, type Report } from './report.ts';

const GIGABYTE = 2 ** 30;

/** `directory`: where volumes and databases are. */
export async function describeMachine(directory: string): Promise<Record<string, string>> {
  const mount = await run('findmnt', ['-n', '-o', 'FSTYPE,SOURCE', '-T', directory]);
  return {
    processor: `${cpus()[0]?.model ?? 'unknown'}, ${cpus().length} cores`,
    memory: `${Math.round(totalmem() / GIGABYTE)} GB`,
    system: `Linux ${release()}, Node ${process.version}`,
    'file system': mount.trim().replaceAll(/\s+/g, ' on '),
  };
}

/** Throws an Error if there are none. */
export function readFigures(file: string): Report {
  return JSON.parse(readFileSync(file, 'utf8')) as Report;
}

export async function publishFigures(report: Report, file: string): Promise<void> {
  await write(file, JSON.stringify(report));
}

export async function publishPage(
  report: Report,
  rows: readonly Row[],
  file: string,
): Promise<void> {
  const base = basename(file, '.md');
  await write(file, renderPage(report, rows, base));
  for (const row of rows) {
    for (const metric of row.metrics.filter(({ name }) => row.charts.includes(name))) {
      const bars = report.systems.flatMap(({ name, title }): Bar[] => {
        const summary = summaryOf(report, row.name, name, metric.name);
        const isOwn = name.startsWith('flockwork');
        return summary === undefined ? [] : [{ label: title, summary, isOwn }];
      });
      if (bars.length === 0) continue;
      const title = `${row.title(report.amounts)}: ${metric.unit}`;
      const chart = renderChart(title, bars, metric.digits);
      writeFileSync(join(dirname(file), chartFile(base, row.name, metric.name)), chart);
    }
  }
}

async function write(file: string, text: string): Promise<void> {
  mkdirSync(dirname(file), { recursive: true });
  const config = await resolveConfig(file);
  writeFileSync(file, await format(text, { ...config, filepath: file }));
}
