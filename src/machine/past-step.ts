/** Builds a step of `context.history()`. */
import type { PastStep } from './definition.ts';
import type { CommitRecord } from './record.ts';
import { parseStateFile } from './state-file.ts';

/** `bytes`: content of the state file. Throws an Error if it does not parse. */
export function pastStep(
  name: string,
  bytes: Uint8Array,
  record: CommitRecord | undefined,
): PastStep {
  const parsed = parseStateFile(bytes);
  if (!parsed.ok) throw new Error(`${name}: ${parsed.reason}`);
  return {
    name,
    state: parsed.file.state,
    payload: parsed.file.payload,
    events: record?.events ?? [],
    attempts: record?.attempts?.length ?? 0,
    finished: record?.finished,
  };
}
