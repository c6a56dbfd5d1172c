/** A worker's flag in `workers/`: set while it has room, unless somebody else is at work under its name. */
import { UserError } from '../machine/errors.ts';
import type { VolumeOperations, Token, PhaseGuard } from './operations.ts';
import type { Log } from '../engine/ports.ts';

export function nameInUse({ worker, host, pid, started }: Token): UserError {
  return new UserError(
    'name-in-use',
    `another worker named ${worker} has been at work since ${started} (process ${pid} on ${host}); ` +
      'give this one another name with --name',
    { worker, host, pid },
  );
}

export class Registration {
  readonly #session: VolumeOperations;
  readonly #log: Log;
  /** Said once a session. */
  #said: 'registered' | 'waiting' | undefined;

  constructor(session: VolumeOperations, log: Log) {
    this.#session = session;
    this.#log = log;
  }

  /** Throws `name-in-use`. */
  async renew(guard: PhaseGuard): Promise<void> {
    const rival = await this.#session.rival();
    if (rival !== undefined) throw nameInUse(rival);
    if (await this.#session.register(guard)) {
      if (this.#said !== 'registered') this.#log.info({}, 'registered');
      this.#said = 'registered';
    } else if (this.#said === undefined) {
      this.#log.info(
        { lease: this.#session.lease },
        'waiting: an earlier worker of this name is there, or was until a lease ago',
      );
      this.#said = 'waiting';
    }
  }
}
