/**
 * A red alert, run by three workers on one volume. A technician in airlock B, on the way out, is refused at the outer door
 * and let back in; then the deck becomes active.
 *
 *   npm run example:battle-deck
 *   BATTLE_DECK_SPEED=10 npm run example:battle-deck
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { AIRLOCKS } from './rules.ts';

const MAIN = join(import.meta.dirname, '../../src/cli/main.ts');
const MACHINES = join(import.meta.dirname, 'machines');
const WORKERS = ['port', 'starboard', 'bridge'];
const POLL_MS = 50;

const volume = mkdtempSync(join(tmpdir(), 'battle-deck-'));
const workers: ChildProcess[] = [];
const printed = new Map<string, string>();

const stateFiles = {
  door: { state: 'bay-door' },
  environment: { state: 'bay-environment', payload: { goal: 'keep' } },
  deck: { state: 'battle-deck' },
  ...Object.fromEntries(AIRLOCKS.map((name) => [name, { state: 'airlock' }])),
};

/** The state of an instance: that of its last state file. */
function stateOf(instance: string): string {
  const steps = readdirSync(volume)
    .filter((name) => name.startsWith(`${instance}.state`))
    .map((name) => Number(name.split('-').at(-1)) || 0);
  const last = Math.max(...steps);
  const path = join(volume, `${instance}.state${last === 0 ? '' : `-${last}`}`);
  return (JSON.parse(readFileSync(path, 'utf8')) as { state: string }).state;
}

function printMoves(): void {
  for (const instance of Object.keys(stateFiles)) {
    const state = stateOf(instance);
    if (printed.get(instance) === state) continue;
    if (printed.has(instance)) console.log(`  ${instance} is ${state}`);
    printed.set(instance, state);
  }
}

async function until(what: string, isSo: () => boolean): Promise<void> {
  console.log(`… until ${what}`);
  for (; !isSo(); await pause(POLL_MS)) {
    printMoves();
    if (workers.some(({ exitCode }) => exitCode !== null)) throw new Error('a worker has ended');
  }
  printMoves();
}

function flockwork(...words: string[]): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const child = spawn(process.execPath, [MAIN, ...words, '--dir', volume], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (piece: string) => (text += piece));
  child.on('error', reject).on('close', () => resolve(text.trim()));
  return promise;
}

async function ask(instance: string, event: string): Promise<string> {
  const outcome = await flockwork('send', instance, event, '--wait');
  console.log(`${event} → ${instance}: ${outcome}`);
  return outcome;
}

/** Reasons of the events that an instance has refused so far. */
function refusals(instance: string): string[] {
  return readdirSync(join(volume, 'done'))
    .filter((name) => name.startsWith(`${instance}.state`))
    .flatMap((name) => readFileSync(join(volume, 'done', name), 'utf8').split('\n'))
    .filter((line) => line.includes(`"state":"${instance}.state`))
    .flatMap((line) => (JSON.parse(line) as { events?: { reason?: string }[] }).events ?? [])
    .flatMap(({ reason }) => reason ?? []);
}

try {
  for (const [name, state] of Object.entries(stateFiles)) {
    writeFileSync(join(volume, `${name}.state`), `${JSON.stringify(state)}\n`);
  }
  for (const name of WORKERS) {
    const args = ['worker', '--watch', '--dir', volume, '--name', name, '--machines', MACHINES];
    const all = [MAIN, ...args, '--log-level', 'warn'];
    workers.push(spawn(process.execPath, all, { stdio: ['ignore', 'ignore', 'inherit'] }));
  }
  await ask('airlock-B', 'ask open inner');
  await until('the technician has gone in', () => stateOf('airlock-B') === 'inner open');
  await ask('deck', 'active requested');
  await ask('airlock-B', 'ask open outer');
  await until('the outer door is refused', () =>
    refusals('airlock-B').some((reason) => reason.startsWith('no outer door opens')),
  );
  await ask('airlock-B', 'ask open inner');
  await until('the technician is back', () => stateOf('airlock-B') === 'inner open');
  await until('the deck is active', () => stateOf('deck') === 'active');
  console.log(await flockwork('show', 'airlock-B'));
} finally {
  for (const worker of workers) worker.kill('SIGTERM');
  for (const worker of workers) if (worker.exitCode === null) await once(worker, 'exit');
  rmSync(volume, { recursive: true, force: true });
}
