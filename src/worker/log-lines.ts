/** Splits a byte stream into lines for a log, with bounded memory. */

/** Further bytes of a line are counted and dropped. */
const MAX_LINE_BYTES = 16 * 1024;
const LINE_FEED = 10;

export class LogLines {
  readonly #onLine: (line: string) => void;
  #pieces: Buffer[] = [];
  #length = 0;
  #dropped = 0;

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine;
  }

  add(chunk: Buffer): void {
    let start = 0;
    for (;;) {
      const end = chunk.indexOf(LINE_FEED, start);
      this.#keep(chunk.subarray(start, end === -1 ? chunk.length : end));
      if (end === -1) return;
      this.#flush();
      start = end + 1;
    }
  }

  /** Flushes a last line that has no line feed. */
  end(): void {
    if (this.#length > 0) this.#flush();
  }

  #keep(piece: Buffer): void {
    const kept = piece.subarray(0, MAX_LINE_BYTES - this.#length);
    this.#dropped += piece.length - kept.length;
    if (kept.length === 0) return;
    // A copy: the piece would keep its whole chunk in memory.
    this.#pieces.push(Buffer.from(kept));
    this.#length += kept.length;
  }

  /** A carriage return ends a line too: progress bars write it. */
  #flush(): void {
    const text = Buffer.concat(this.#pieces).toString('utf8');
    const cut = this.#dropped > 0 ? `… (cut: ${this.#dropped} more bytes)` : '';
    this.#pieces = [];
    this.#length = 0;
    this.#dropped = 0;
    const lines = `${text}${cut}`.replace(/\r$/, '').split('\r');
    for (const line of lines.length === 1 ? lines : lines.filter((one) => one !== '')) {
      this.#onLine(line);
    }
  }
}
