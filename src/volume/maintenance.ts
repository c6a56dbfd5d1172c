/** Maintenance by idle workers: removes old journals and outcomes, and moves done states to the archive. */
import type { PhaseGuard } from './operations.ts';
import type { ArchiveRules } from './archivable.ts';
import { Archiver, type ArchiverPorts } from './archiver.ts';
import { JournalLimit } from './journal-limit.ts';
import type { SessionContext } from './session-context.ts';
import { OutcomeLimit, type OutcomeLimitPorts } from './outcome-limit.ts';

export class Maintenance {
  readonly #limits: readonly Pick<JournalLimit, 'keep'>[];
  readonly #archiver: Archiver;

  constructor(
    context: SessionContext,
    rules: ArchiveRules,
    ports: ArchiverPorts & OutcomeLimitPorts,
  ) {
    this.#limits = [new JournalLimit(context, ports), new OutcomeLimit(context, ports)];
    this.#archiver = new Archiver(context, rules, ports);
  }

  /** In Update System only, until `isBusy`. Returns the number of moves, two per state: its file and its flag. */
  async work(cycle: number, guard: PhaseGuard, isBusy: () => boolean): Promise<number> {
    for (const limit of this.#limits) await limit.keep(cycle, guard, isBusy);
    return this.#archiver.work(cycle, guard, isBusy);
  }
}
