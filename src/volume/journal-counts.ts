/** Counts the done and failed steps of a journal without parsing its lines. */
import type { HistoryFiles } from './history.ts';

export interface ResultCounts {
  readonly done: number;
  readonly failed: number;
}

/** How a line ends: `result` is an entry's last key, and quotes inside of texts are escaped. */
const ENDS = {
  done: Buffer.from('"result":"done"}\n'),
  failed: Buffer.from('"result":"failed"}\n'),
};
const MAX_END_BYTES = Math.max(ENDS.done.length, ENDS.failed.length);
const CHUNK_BYTES = 1024 * 1024;
/** Limit of one call: about half a second of reading. */
const MAX_BYTES = 256 * 1024 * 1024;

/** Keeps its counts between calls: journals only grow. */
export class JournalCounter {
  readonly #known = new Map<string, ResultCounts & { readonly end: number }>();
  readonly #maxBytes: number;

  constructor(maxBytes: number = MAX_BYTES) {
    this.#maxBytes = maxBytes;
  }

  /** Counts the lines that end before the byte `end`. Undefined if more than `maxBytes` would have to be read. */
  async count(files: HistoryFiles, path: string, end: number): Promise<ResultCounts | undefined> {
    let { done, failed, end: position } = this.#known.get(path) ?? { done: 0, failed: 0, end: 0 };
    if (end - position > this.#maxBytes) return undefined;
    let rest = await files.readAt(
      path,
      Math.max(0, position - MAX_END_BYTES),
      Math.min(position, MAX_END_BYTES),
    );
    while (position < end) {
      const bytes = await files.readAt(path, position, Math.min(CHUNK_BYTES, end - position));
      if (bytes.length === 0) break;
      const chunk = Buffer.concat([rest, bytes]);
      done += countOf(chunk, ENDS.done, rest.length);
      failed += countOf(chunk, ENDS.failed, rest.length);
      position += bytes.length;
      rest = chunk.subarray(-MAX_END_BYTES);
    }
    this.#known.set(path, { done, failed, end: position });
    return { done, failed };
  }
}

/** Counts only lines that end after `from`: the others were counted before. */
function countOf(chunk: Buffer, end: Buffer, from: number): number {
  let count = 0;
  for (let at = chunk.indexOf(end); at !== -1; at = chunk.indexOf(end, at + end.length)) {
    if (at + end.length > from) count += 1;
  }
  return count;
}
