/** Shared by the tests that break workers: chains, wrong clocks, and checks of the result. */
import { existsSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Fleet } from './fleet.ts';

/** A countdown from `count`: that many states. */
export interface Chain {
  readonly instance: string;
  readonly count: number;
}

export function submitChains(dir: string, chains: readonly Chain[]): void {
  for (const { instance, count } of chains) {
    // By rename: workers may be listing the directory.
    const content = JSON.stringify({ state: 'countdown', payload: { count } });
    writeFileSync(join(dir, `.${instance}`), content);
    renameSync(join(dir, `.${instance}`), join(dir, `${instance}.state`));
  }
}

const statesOf = ({ instance, count }: Chain): string[] =>
  Array.from({ length: count }, (_, step) => `${instance}.state${step === 0 ? '' : `-${step}`}`);

export function expectedStates(chains: readonly Chain[]): string[] {
  return chains.flatMap(statesOf).sort();
}

/**
 * Returns problems after all is done: lost or extra states, states committed twice, wrong payloads. `textOf` reads a state,
 * by default its file.
 */
export function problemsWith(
  fleet: Fleet,
  chains: readonly Chain[],
  textOf: (name: string) => string = (name) => fleet.read(name),
): string[] {
  const expected = expectedStates(chains);
  return [
    ...differences('done', fleet.list('done'), expected),
    ...differences('state files', fleet.list('.').filter(isState), expected),
    ...differences('failed', fleet.list('failed'), []),
    ...differences('in_progress', fleet.list('in_progress'), []),
    ...twice(fleet),
    ...chains.flatMap((chain) =>
      statesOf(chain).flatMap((name, step) => wrongPayload(textOf, name, chain.count - step)),
    ),
  ];
}

const isState = (name: string): boolean => name.includes('.state');

function differences(
  what: string,
  found: readonly string[],
  expected: readonly string[],
): string[] {
  const [there, wanted] = [new Set(found), new Set(expected)];
  return [
    ...expected.filter((name) => !there.has(name)).map((name) => `${what}: ${name} is missing`),
    ...found.filter((name) => !wanted.has(name)).map((name) => `${what}: ${name} is unexpected`),
  ];
}

/** States that two sessions report as committed. */
function twice(fleet: Fleet): string[] {
  const committed = fleet.journal().filter((entry) => entry.result === 'done');
  const seen = new Map<string, string>();
  const double: string[] = [];
  for (const { state, session } of committed) {
    const other = seen.get(state);
    if (other !== undefined)
      double.push(`expected one commit of ${state}, got ${other} and ${session}`);
    seen.set(state, session);
  }
  return double;
}

function wrongPayload(textOf: (name: string) => string, name: string, count: number): string[] {
  try {
    const { payload } = JSON.parse(textOf(name)) as { payload: { count: number } };
    return payload.count === count
      ? []
      : [`expected count ${count} in ${name}, got ${payload.count}`];
  } catch (error) {
    return [`${name} cannot be read: ${(error as Error).message}`];
  }
}

/** States whose claim names this worker or session. */
export function heldBy(fleet: Fleet, holder: { worker: string } | { session: string }): string[] {
  const [key, value] = Object.entries(holder)[0] as ['worker' | 'session', string];
  return fleet.list('in_progress').filter((name) => {
    try {
      const token = JSON.parse(fleet.read('in_progress', name)) as Record<typeof key, string>;
      return token[key] === value;
    } catch {
      return false;
    }
  });
}

/** Environment of a process with a wrong clock: `+5s`, `-1000s`. */
export function skewedBy(offset: string): NodeJS.ProcessEnv {
  return {
    LD_PRELOAD: findLibfaketime(),
    FAKETIME: offset,
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
  };
}

function findLibfaketime(): string {
  const found = readdirSync('/usr/lib')
    .map((folder) => `/usr/lib/${folder}/faketime/libfaketime.so.1`)
    .find((path) => existsSync(path));
  if (found === undefined)
    throw new Error("cannot find libfaketime; install Debian's package faketime");
  return found;
}
