/**
 * Measures row by row; in each round each system once, so that other load on the machine affects all alike. A measurement
 * beside too much foreign load is repeated.
 */
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { MAX_FOREIGN_CORES } from './foreign.ts';
import type { Amounts, Measured, Row, Site, System } from './model.ts';
import { assertOpen, stopAll } from './processes.ts';
import type { Result } from './report.ts';

/** Measurements of one system in one round; of those that all have too much foreign load, the one with the least counts. */
const MAX_TRIES = 4;

export interface Campaign {
  readonly rows: readonly Row[];
  readonly systems: readonly System[];
  readonly rounds: number;
  readonly amounts: Amounts;
  readonly directory: string;
  readonly say: (text: string) => void;
}

/** A system that fails in a row is left out of its remaining rounds; `failures` are printed on the page. */
export async function measureAll(
  campaign: Campaign,
): Promise<{ results: Result[]; failures: string[] }> {
  const results: Result[] = [];
  const failures: string[] = [];
  for (const row of campaign.rows) {
    const systems = campaign.systems.filter(({ rows }) => rows.includes(row.name));
    if (systems.length > 0) campaign.say(`\n${row.title(campaign.amounts)}`);
    results.push(...(await measureRow(campaign, row, systems, failures)));
  }
  return { results, failures };
}

async function measureRow(
  campaign: Campaign,
  row: Row,
  systems: readonly System[],
  failures: string[],
): Promise<Result[]> {
  const { amounts, say } = campaign;
  const found = new Map(systems.map((system) => [system, [] as Measured[]]));
  const rounds = Math.min(campaign.rounds, row.maxRounds ?? campaign.rounds);
  for (let round = 1; round <= rounds; round += 1) {
    for (const [system, measurements] of found) {
      const site = (): Site => makeSite(campaign.directory);
      const place = `  ${round}/${rounds} ${system.name.padEnd(20)}`;
      try {
        const tell = (measured: Measured, end: string): void =>
          say(`${place} ${figuresOf(row, measured)}${end}`);
        measurements.push(await measureQuietly(() => row.measure({ system, amounts, site }), tell));
      } catch (error) {
        assertOpen();
        await stopAll();
        found.delete(system);
        failures.push(`${row.name} of ${system.title}: ${(error as Error).message}`);
        say(`${place} failed: ${(error as Error).stack}`);
      }
    }
  }
  return [...found].map(([{ name }, measurements]) => ({
    row: row.name,
    system: name,
    rounds: measurements,
  }));
}

/** Measures until foreign load is below the limit, or `MAX_TRIES` times; resolves with the one with the least. */
async function measureQuietly(
  measure: () => Promise<Measured>,
  tell: (measured: Measured, end: string) => void,
): Promise<Measured> {
  let least: Measured | undefined;
  for (let tries = 1; tries <= MAX_TRIES; tries += 1) {
    const measured = await measure();
    if (least === undefined || measured.foreign < least.foreign) least = measured;
    const isQuiet = measured.foreign <= MAX_FOREIGN_CORES;
    tell(measured, isQuiet ? '' : tries < MAX_TRIES ? ': repeated' : ': given up');
    if (isQuiet) break;
  }
  return least!;
}

function figuresOf(row: Row, measured: Measured): string {
  const figures = row.metrics.flatMap(({ name, unit, digits }) =>
    measured[name] === undefined ? [] : [`${measured[name].toFixed(digits)} ${unit}`],
  );
  return [...figures, `foreign load ${measured.foreign.toFixed(2)} cores`].join(', ');
}

/**
 * Nothing is removed before the end of the run: ext4 does not reuse inodes that were freed within the last minutes, and
 * searches long for others. After the removal of some 10,000 files, creating one takes 0.5 ms.
 */
function makeSite(parent: string): Site {
  const directory = mkdtempSync(join(parent, 'site-'));
  return { directory, stamps: join(directory, 'stamps') };
}
