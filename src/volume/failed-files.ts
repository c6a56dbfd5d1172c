/**
 * Retries states that failed before anything ran: their file did not parse, could not be read, or named something that no
 * worker knew. Once the file has changed, or a worker knows it, the state is available again, as by `flockwork retry`.
 */
import { isStateName } from '../machine/name.ts';
import { parseFailureRecord, type FailureRecord } from '../machine/record.ts';
import { MAX_STATE_BYTES, parseStateFile, type StateFile } from '../machine/state-file.ts';
import { Names } from './phases/names.ts';
import type { PhaseGuard } from './operations.ts';
import { isDone } from './archive.ts';
import { removeAttempts } from './attempts.ts';
import { readFlag, remove } from './atomic-files.ts';
import { errnoOf, type Stat } from './files.ts';
import type { SessionContext } from './session-context.ts';
import { hash } from 'node:crypto';

/** In one cycle: names that are visited, and states whose files are checked. */
const NAMES_PER_CYCLE = 1024;
const CHECKS_PER_CYCLE = 64;
/** One session owns a name for so many rounds. */
const ROUNDS_PER_TURN = 16;
/** Failures that depend on what workers know, too. */
const UNKNOWN_CODES = ['unknown-machine', 'unknown-state', 'other-definition'];

interface Failure {
  /** Of the flag. */
  readonly text: string;
  readonly record: FailureRecord;
  /** The file's stat at this session's last check. */
  seen: string | undefined;
}

export interface FailedFilesScan {
  readonly cycle: number;
  readonly guard: PhaseGuard;
  readonly ownsKeyIn: (name: string, turn: number) => boolean;
  readonly runs: (file: StateFile) => Promise<boolean>;
}

export class FailedFiles {
  readonly #context: SessionContext;
  /** The listing that `#known` is about. */
  #names = new Names();
  /** Undefined: a failure that stays. */
  readonly #known = new Map<string, Failure | undefined>();
  #next = 0;

  constructor(context: SessionContext) {
    this.#context = context;
  }

  async bringBack({ cycle, guard, ownsKeyIn, runs }: FailedFilesScan): Promise<string[]> {
    const names = this.#context.failed;
    if (names !== this.#names) this.#known.clear();
    this.#names = names;
    const round = Math.max(1, Math.ceil(names.size / NAMES_PER_CYCLE));
    const turn = Math.floor(cycle / (ROUNDS_PER_TURN * round));
    const retried: string[] = [];
    let checks = CHECKS_PER_CYCLE;
    for (let left = Math.min(NAMES_PER_CYCLE, names.size); left > 0 && checks > 0; left -= 1) {
      this.#next = (this.#next + 1) % names.size;
      const name = names.at(this.#next);
      if (!isStateName(name) || !ownsKeyIn(name, turn)) continue;
      if (this.#known.has(name) && this.#known.get(name) === undefined) continue;
      if (!guard.canBegin()) break;
      checks -= 1;
      if (await this.#retry(name, guard, runs)) retried.push(name);
    }
    return retried;
  }

  async #retry(name: string, guard: PhaseGuard, runs: FailedFilesScan['runs']): Promise<boolean> {
    const { files, layout } = this.#context;
    try {
      const known = this.#known.get(name) ?? (await this.#readFlag(name));
      if (known === undefined || !(await this.#mayRun(name, known, runs))) return false;
      if (await isDone(files, layout, name)) return false;
      // Like `retryState`: attempts first. Only this flag, for this file: a later one is another failure.
      await removeAttempts(files, layout, name);
      const flag = layout.flag('failed', name);
      if ((await readFlag(files, flag)) !== known.text || !guard.canBegin()) return false;
      return await remove(files, flag);
    } catch (error) {
      // An entry that cannot be read or removed must not block the others.
      if (errnoOf(error) === undefined) throw error;
      return false;
    }
  }

  async #readFlag(name: string): Promise<Failure | undefined> {
    const { files, layout } = this.#context;
    const text = (await readFlag(files, layout.flag('failed', name))) ?? '';
    const record = parseFailureRecord(text, name);
    const known = record?.file === undefined ? undefined : { text, record, seen: undefined };
    this.#known.set(name, known);
    return known;
  }

  /** False for a file that still cannot be read, or is not a file. */
  async #mayRun(name: string, known: Failure, runs: FailedFilesScan['runs']): Promise<boolean> {
    const { files, layout } = this.#context;
    const { code, file } = known.record;
    const stat = await files.stat(layout.state(name));
    if (stat?.kind !== 'file' || stat.size > MAX_STATE_BYTES) return false;
    const mayBeKnown = UNKNOWN_CODES.includes(code);
    const seen = described(stat);
    if (known.seen === seen && !mayBeKnown) return false;
    known.seen = seen;
    const bytes = await files.read(layout.state(name), MAX_STATE_BYTES);
    if (fingerprint(bytes) !== file) return true;
    const parsed = mayBeKnown ? parseStateFile(bytes) : undefined;
    return parsed?.ok === true && runs(parsed.file);
  }
}

function described({ size, mtime, ctime, mode }: Stat): string {
  return [size, mtime, ctime, mode].join(' ');
}

/** 64 bits: enough for the contents of one file. */
const HEX_DIGITS = 16;

/** A hash of a file's content, kept in the failure record of an invalid file to notice when the file changes. */
export function fingerprint(bytes: Uint8Array): string {
  return hash('sha256', bytes).slice(0, HEX_DIGITS);
}
