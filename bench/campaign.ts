/** Measures row by row, in each round each system once, so that what the machine does else meets all alike. */
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import type { Amounts, Measured, Row, Site, System } from './model.ts';
import type { Result } from './report.ts';

export interface Campaign {
  readonly rows: readonly Row[];
  readonly systems: readonly System[];
  readonly rounds: number;
  readonly amounts: Amounts;
  readonly directory: string;
  readonly say: (text: string) => void;
}

/** One that fails is an error of all: a figure that is missing would look like one that was not asked for. */
export async function measureAll(campaign: Campaign): Promise<Result[]> {
  const results: Result[] = [];
  for (const row of campaign.rows) results.push(...(await measureRow(campaign, row)));
  return results;
}

async function measureRow(campaign: Campaign, row: Row): Promise<Result[]> {
  const { amounts, say } = campaign;
  const systems = campaign.systems.filter(({ rows }) => rows.includes(row.name));
  const found = new Map(systems.map(({ name }) => [name, [] as Measured[]]));
  const rounds = Math.min(campaign.rounds, row.maxRounds ?? campaign.rounds);
  if (systems.length > 0) say(`\n${row.title(amounts)}`);
  for (let round = 1; round <= rounds; round += 1) {
    for (const system of systems) {
      const site = (): Site => makeSite(campaign.directory);
      const measured = await row.measure({ system, amounts, site });
      found.get(system.name)!.push(measured);
      const figures = row.metrics.flatMap(({ name, unit, digits }) =>
        measured[name] === undefined ? [] : [`${measured[name].toFixed(digits)} ${unit}`],
      );
      say(`  ${round}/${rounds} ${system.name.padEnd(20)} ${figures.join(', ')}`);
    }
  }
  return [...found].map(([system, measurements]) => ({
    row: row.name,
    system,
    rounds: measurements,
  }));
}

/**
 * Nothing is removed before the end of the run. ext4 does not take inodes again that were freed within the last
 * minutes, and looks for others at length: after the removal of some 10,000 files, making one takes 0.5 ms.
 */
function makeSite(parent: string): Site {
  const directory = mkdtempSync(join(parent, 'site-'));
  return { directory, stamps: join(directory, 'stamps') };
}
