/** `npm run bench`: see `--help`. All processes and files that it creates are removed when it ends, for any reason. */
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { UserError } from '../src/machine/errors.ts';
import { measureAll } from './campaign.ts';
import { check } from './check/check.ts';
import { holdLock } from './exclusive.ts';
import type { System } from './model.ts';
import { helpText, parseOptions, type Options } from './options.ts';
import { close, run, stopAll } from './processes.ts';
import { measurePure } from './pure.ts';
import { describeMachine, publishFigures, publishPage, readFigures } from './publish.ts';
import { renderPage, withPart, type Report, type SystemFacts } from './report.ts';
import { ROWS } from './rows/index.ts';
import { predictScale } from './scale/scale.ts';
import { SYSTEMS } from './systems.ts';

const say = (text: string): void => void process.stdout.write(`${text}\n`);
const progress = (text: string): void => void process.stderr.write(`${text}\n`);

/** Resolves with the exit status. */
async function bench(options: Options, directory: string): Promise<number> {
  await run('npm', ['run', '-s', 'build']);
  if (options.check) {
    const { json: store, elsewhere } = options;
    return (await check({ directory, say, store, elsewhere })) ? 0 : 1;
  }
  const { rounds, amounts, json, out } = options;
  const rows = ROWS.filter(({ name }) => options.rows.includes(name));
  const machine = await describeMachine(directory);
  const { systems, facts, missing } = await prepare(options);
  const pure = options.rows.includes('pure') ? await measurePure() : [];
  for (const { name, p50, p99 } of pure) {
    say(`  ${name}: ${p50.toFixed(2)} µs, p99 ${p99.toFixed(2)} µs`);
  }
  const { results, failures } = await measureAll({
    rows,
    systems,
    rounds,
    amounts,
    directory,
    say,
  });
  missing.push(...failures);
  const date = new Date().toISOString();
  const measured: Report = { date, machine, amounts, systems: facts, missing, pure, results };
  say(`\n${renderPage(measured, rows, 'performance')}`);
  const stored = options.adds && json !== undefined ? readFigures(json) : undefined;
  const report = stored === undefined ? measured : withPart(stored, measured);
  if (json !== undefined) await publishFigures(report, json);
  if (out !== undefined) await publishPage(report, stored === undefined ? rows : ROWS, out);
  return 0;
}

/** Installs the wanted systems; reports and skips those that cannot be measured here. */
async function prepare(
  options: Options,
): Promise<{ systems: System[]; facts: SystemFacts[]; missing: string[] }> {
  const systems: System[] = [];
  const facts: SystemFacts[] = [];
  const missing: string[] = [];
  for (const system of SYSTEMS) {
    const isWanted = options.systems?.some((word) => system.name.startsWith(word)) ?? true;
    if (!isWanted || !system.rows.some((row) => options.rows.includes(row))) continue;
    const { name, title, settings } = system;
    const found = await system.prepare();
    if ('missing' in found) {
      missing.push(`${title}: ${found.missing}`);
      say(`left out: ${missing.at(-1)}`);
      continue;
    }
    systems.push(system);
    facts.push({ name, title, settings, version: found.version });
    say(`${name}: ${found.version}`);
  }
  return { systems, facts, missing };
}

async function main(): Promise<void> {
  const [word, ...words] = process.argv.slice(2);
  if (word === 'scale') return say(await predictScale(words, progress));
  const names = SYSTEMS.map(({ name }) => name);
  const options = parseOptions(process.argv.slice(2), names);
  if (options.help) return say(helpText(names));
  const directory = resolve(options.directory, `flockwork-bench-${process.pid}`);
  let ending: Promise<void> | undefined;
  const end = (): Promise<void> => (ending ??= cleanUp(directory));
  const leave = async (status: number): Promise<void> => {
    await end();
    process.exit(status);
  };
  for (const [signal, status] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const) {
    process.once(signal, () => void leave(status));
  }
  // Clients throw when their servers are stopped; before that, it is a real error.
  process.on('uncaughtException', (error) => {
    if (ending === undefined) complain(error);
    void leave(1);
  });
  await holdLock();
  mkdirSync(directory, { recursive: true });
  try {
    process.exitCode = await bench(options, directory);
  } finally {
    if (ending === undefined) say('removing what was measured');
    await end();
  }
}

async function cleanUp(directory: string): Promise<void> {
  close();
  await stopAll();
  spawnSync('rm', ['-rf', directory]);
}

function complain(error: unknown): void {
  process.stderr.write(`${error instanceof UserError ? error.message : (error as Error).stack}\n`);
}

try {
  await main();
} catch (error) {
  complain(error);
  process.exit(error instanceof UserError ? 2 : 1);
}
