#!/usr/bin/env node
/** What `flockwork` runs. */
import { enableCompileCache } from 'node:module';

// Before anything else is loaded: the next one starts sooner.
enableCompileCache();
const args = process.argv.slice(2);
const isWell = args[0] === 'health' ? await health() : undefined;
process.exitCode = isWell ?? (await run());

async function health(): Promise<number | undefined> {
  const { quickHealth } = await import('./quick-health.ts');
  return quickHealth(args.slice(1), process.env, (text) => void process.stdout.write(`${text}\n`));
}

async function run(): Promise<number> {
  const { main } = await import('./program.ts');
  return main(args);
}
