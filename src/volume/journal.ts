/**
 * The journals: one JSON line per tick, in files of each session: `NAME.BOOT.jsonl`, then `NAME.BOOT.1.jsonl`, … when that
 * has become large.
 */
import type { JournalEntry, VolumeOperations } from './operations.ts';
import type { Files } from './files.ts';
import type { Layout } from './layout.ts';
import { throwBug } from '../machine/invariant.ts';
import type { Log } from '../engine/ports.ts';

/** A file of this size is followed by another. */
const MAX_FILE_BYTES = 16 * 1024 * 1024;
/** A session's name ends with its boot id: see `newSessionId`. */
const FILE_NAME = /^((.+)\.[a-z0-9]{8})(?:\.(\d+))?\.jsonl$/;

export interface JournalOwner {
  readonly session: string;
  readonly worker: string;
}

export interface JournalFile extends JournalOwner {
  /** 0 is a session's first file. */
  readonly part: number;
}

/** Undefined for other files. */
export function parseJournalName(fileName: string): JournalFile | undefined {
  const match = FILE_NAME.exec(fileName);
  if (match === null) return undefined;
  const [, session = '', worker = '', part = '0'] = match;
  return { session, worker, part: Number(part) };
}

/** Undefined for a line that a crash cut short, and for one that is not an entry. */
export function parseJournalLine(line: string, owner: JournalOwner): JournalEntry | undefined {
  try {
    const value = JSON.parse(line) as Partial<JournalEntry> | null;
    const { session, worker } = owner;
    return typeof value?.started === 'string' &&
      typeof value.duration === 'number' &&
      typeof value.state === 'string'
      ? ({ worker, session, ...value } as JournalEntry)
      : undefined;
  } catch {
    return undefined;
  }
}

export class Journal {
  readonly #files: Files;
  readonly #layout: Layout;
  readonly #session: string;
  readonly #maxBytes: number;
  #part = 0;
  #bytes = 0;
  /** The last append may have been partial: the next one begins with a line feed. */
  #isCut = false;

  constructor(files: Files, layout: Layout, session: string, maxBytes: number = MAX_FILE_BYTES) {
    this.#files = files;
    this.#layout = layout;
    this.#session = session;
    this.#maxBytes = maxBytes;
  }

  /**
   * Appends entries of this session, or of its worker's previous one, whose entries name it. After an error they may be
   * written or not: only users read them.
   */
  async append(entries: readonly JournalEntry[]): Promise<void> {
    if (entries.length === 0) return;
    if (this.#bytes >= this.#maxBytes) {
      this.#part += 1;
      this.#bytes = 0;
    }
    const entire = entries.map((entry) => `${JSON.stringify(this.#shorten(entry))}\n`).join('');
    const lines = this.#isCut ? `\n${entire}` : entire;
    this.#bytes += Buffer.byteLength(lines);
    const suffix = this.#part === 0 ? '' : `.${this.#part}`;
    const path = this.#layout.internal('journal', `${this.#session}${suffix}.jsonl`);
    this.#isCut = true;
    await this.#files.append(path, lines);
    this.#isCut = false;
  }

  #shorten(entry: JournalEntry): Partial<JournalEntry> {
    const { worker: _worker, session, ...rest } = entry;
    return session === this.#session ? rest : entry;
  }
}

/** While writing fails, older entries than the last ones are dropped. */
const MAX_ENTRIES = 10_000;

/** Journal entries that are not written yet. Only users read them: a full disk under the journal must not stop work. */
export class JournalQueue {
  #entries: JournalEntry[] = [];
  #isFailing = false;

  add(entries: readonly JournalEntry[]): void {
    this.#entries.push(...entries);
  }

  /** After an error, the entries are written again with the next ones. */
  async write(session: Pick<VolumeOperations, 'journal'>, log: Log): Promise<void> {
    try {
      await session.journal(this.#entries);
      this.#entries = [];
      this.#isFailing = false;
    } catch (error) {
      throwBug(error);
      if (!this.#isFailing) log.warn({ err: error }, 'cannot write the journal; work goes on');
      this.#isFailing = true;
      this.#entries = this.#entries.slice(-MAX_ENTRIES);
    }
  }
}
