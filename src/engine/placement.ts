/** The record of an operator's step. Pure. */
import { isDeepStrictEqual } from 'node:util';
import type { CommitRecord } from '../machine/record.ts';
import { successorName } from '../machine/name.ts';
import { machineNamed, type StateFile } from '../machine/state-file.ts';
import { formatSuccessor } from '../machine/successor.ts';
import type { NewPlace } from './engine.ts';
import type { Hold } from './session.ts';

/** Beginning of the names of the workers that make such steps. */
export const OPERATOR = 'operator';

/** The state file is where it is to be put. */
export function isPlaced(file: StateFile, { state, payload = file.payload }: NewPlace): boolean {
  return file.state === state && isDeepStrictEqual(file.payload, payload);
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
