/** The sessions of a volume as others see them: from their tokens, leases, claims and reports. */
import type { WorkerView } from '../engine/engine.ts';
import type { Clock } from '../engine/ports.ts';
import { isStateName, compareCodePoints } from '../machine/name.ts';
import { listOrNone } from './atomic-files.ts';
import type { Files } from './files.ts';
import type { Layout } from './layout.ts';
import { readClaims, readSessions } from './overview.ts';
import { newSilenceMemory, readSigns, silencesOf, type SilenceMemory } from './vitals.ts';

export interface WorkerViewsPorts {
  readonly files: Files;
  readonly layout: Layout;
  readonly clock: Clock;
  readonly ownClock: boolean;
  /** Undefined before the first worker. */
  readonly leaseMs: number | undefined;
}

export class WorkerViews {
  readonly #ports: WorkerViewsPorts;
  readonly #memory: SilenceMemory = newSilenceMemory();

  constructor(ports: WorkerViewsPorts) {
    this.#ports = ports;
  }

  async read(): Promise<WorkerView[]> {
    const { files, layout, leaseMs = 0 } = this.#ports;
    const claimed = (await listOrNone(files, layout.flags('in_progress'))).filter(isStateName);
    const claims = Map.groupBy(
      await readClaims(files, layout, claimed),
      ({ token }) => token?.session,
    );
    const tokens = await readSessions(files, layout);
    const signs = await readSigns(files, layout);
    const silences = await silencesOf(this.#ports, signs, this.#memory);
    const views = tokens.map(({ worker, session, concurrency, machines }): WorkerView => {
      // Without a lease: other sessions have removed it.
      const silentMs = silences.get(session);
      const holds = (claims.get(session) ?? []).map(({ state: name, held }) => ({
        name,
        machine: held?.machine,
        since: held?.since,
        attempt: held?.attempt,
      }));
      const isAlive = silentMs !== undefined && silentMs <= leaseMs;
      return { worker, session, isAlive, silentMs, concurrency, machines, holds };
    });
    return views.sort((a, b) => compareCodePoints(a.session, b.session));
  }
}
