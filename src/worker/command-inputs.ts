/** Input files of running commands, in a temporary directory that only this user can read. */
import { mkdtempSync, rmSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export class CommandInputs {
  #directory: string | undefined;
  #count = 0;
  readonly #removeAll = (): void => {
    if (this.#directory !== undefined) rmSync(this.#directory, { recursive: true, force: true });
  };

  /** Resolves to the file's path. Rejects with the error of the file system. */
  async write(text: string): Promise<string> {
    try {
      return await this.#write(text);
    } catch (error) {
      // A service that cleans up temporary directories may have removed this one.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      this.#directory = undefined;
      return this.#write(text);
    }
  }

  async #write(text: string): Promise<string> {
    if (this.#directory === undefined) {
      this.#directory = mkdtempSync(join(tmpdir(), 'flockwork-'));
      process.off('exit', this.#removeAll);
      process.on('exit', this.#removeAll);
    }
    this.#count += 1;
    const path = join(this.#directory, `${this.#count}.json`);
    try {
      await writeFile(path, text, { mode: 0o600, flag: 'wx' });
    } catch (error) {
      await this.remove(path);
      throw error;
    }
    return path;
  }

  /** Never rejects: a file that is left is removed with the directory. */
  async remove(path: string): Promise<void> {
    await rm(path, { force: true }).catch(() => undefined);
  }
}
