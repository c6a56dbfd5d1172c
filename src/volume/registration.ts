/** Registers a worker as available while it has room, unless another live session has its name. */
import { UserError } from '../machine/errors.ts';
import type { VolumeOperations, Token, PhaseGuard } from './operations.ts';
import type { Log } from '../engine/ports.ts';

export function nameInUse({ worker, host, pid, started }: Token): UserError {
  return new UserError(
    'name-in-use',
    `another worker named ${worker} has run since ${started} (process ${pid} on ${host}); ` +
      'give this one another name with --name',
    { worker, host, pid },
  );
}

export class Registration {
  readonly #session: VolumeOperations;
  readonly #log: Log;
  /** Each text is logged once a session. */
  #logged: 'registered' | 'waiting' | undefined;

  constructor(session: VolumeOperations, log: Log) {
    this.#session = session;
    this.#log = log;
  }

  /** Throws `name-in-use`. */
  async renew(guard: PhaseGuard): Promise<void> {
    const rival = await this.#session.rival();
    if (rival !== undefined) throw nameInUse(rival);
    if (await this.#session.register(guard)) {
      if (this.#logged !== 'registered') this.#log.info({}, 'registered');
      this.#logged = 'registered';
    } else if (this.#logged === undefined) {
      this.#log.info(
        { lease: this.#session.lease },
        'waiting for the previous session of this worker name to expire',
      );
      this.#logged = 'waiting';
    }
  }
}
