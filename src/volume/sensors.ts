/** Reads sensor instances in Worker Assignment, when nothing changes: all workers decide on the same snapshot. */
import { parseStateFile, type StateFile } from '../machine/state-file.ts';
import { findState } from './archive.ts';
import { lastState } from './chain-steps.ts';
import type { Files } from './files.ts';
import type { Layout } from './layout.ts';
import { wholeOf } from './torn-write.ts';

export class Sensors {
  readonly #files: Files;
  readonly #layout: Layout;
  readonly #instances: readonly string[];
  readonly #seen = new Map<string, { readonly step: number; readonly file: StateFile }>();

  /** `instances`: the sensors of all machines. */
  constructor(files: Files, layout: Layout, instances: readonly string[]) {
    this.#files = files;
    this.#layout = layout;
    this.#instances = instances;
  }

  async look(): Promise<void> {
    for (const instance of this.#instances) {
      const before = this.#seen.get(instance)?.step;
      const last = await lastState(this.#files, this.#layout, instance, before);
      if (last === undefined || last.step === before) continue;
      const path = await findState(this.#files, this.#layout, last.name);
      // The session that claims this state handles the error.
      const bytes = await this.#files.read(path).catch(() => undefined);
      if (bytes === undefined) continue;
      const parsed = parseStateFile(await wholeOf(this.#files, this.#layout, last.name, bytes));
      if (!parsed.ok) continue;
      this.#seen.set(instance, { step: last.step, file: parsed.file });
    }
  }

  /** Throws for an instance that no machine names as a sensor. */
  read(instance: string): StateFile | undefined {
    if (this.#instances.includes(instance)) return this.#seen.get(instance)?.file;
    throw new Error(`cannot read instance ${instance}: add it to the machine's sensors`);
  }
}
