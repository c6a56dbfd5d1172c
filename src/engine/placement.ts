/** The record of an operator's step, and its worker's name. Pure. */
import { isDeepStrictEqual } from 'node:util';
import type { CommitRecord } from '../machine/record.ts';
import { successorName } from '../machine/name.ts';
import { machineNamed, type StateFile } from '../machine/state-file.ts';
import { formatSuccessor } from '../machine/successor.ts';
import type { NewPlace } from './engine.ts';
import type { Random } from './ports.ts';
import type { Hold } from './session.ts';

const SUFFIX_DIGITS = 8;

/** A new name of a worker that makes such a step. */
export function operatorName(random: Random): string {
  const suffix = Math.floor(random() * 36 ** SUFFIX_DIGITS).toString(36);
  return `operator-${suffix.padStart(SUFFIX_DIGITS, '0')}`;
}

/** The state file is where it is to be put. `to`: checked by `checkPlace`. */
export function isPlaced(file: StateFile, { state, payload = file.payload }: NewPlace): boolean {
  if (file.state !== state) return false;
  // As it would be read: JSON omits what is undefined.
  return isDeepStrictEqual(file.payload, JSON.parse(JSON.stringify(payload)));
}

/** `at`: ISO 8601, the store's time. */
export function placementOf(
  { name, session }: Hold,
  worker: string,
  file: StateFile,
  { state, payload = file.payload }: NewPlace,
  at: string,
): CommitRecord {
  const [machine = ''] = machineNamed(file).split(':');
  const content = formatSuccessor(file, machine, { state, payload });
  const next = { name: successorName(name), content };
  return { flockwork: 1, state: name, session, worker, machine, started: at, finished: at, next };
}
