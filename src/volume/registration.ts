/** A worker's flag in `workers/`: set while it has room, unless somebody else is at work under its name. */
import { UserError } from '../machine/errors.ts';
import type { Session, Token, Window } from './operations.ts';
import type { Log } from '../worker/ports.ts';

export function nameInUse({ worker, host, pid, started }: Token): UserError {
  return new UserError(
    'name-in-use',
    `another worker named ${worker} has been at work since ${started} (process ${pid} on ${host}); ` +
      'give this one another name with --name',
    { worker, host, pid },
  );
}

export class Registration {
  readonly #session: Session;
  readonly #log: Log;
  /** Said once a session. */
  #said: 'registered' | 'waiting' | undefined;

  constructor(session: Session, log: Log) {
    this.#session = session;
    this.#log = log;
  }

  /** Throws `name-in-use`. */
  async renew(window: Window): Promise<void> {
    const rival = await this.#session.rival();
    if (rival !== undefined) throw nameInUse(rival);
    if (await this.#session.register(window)) {
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
