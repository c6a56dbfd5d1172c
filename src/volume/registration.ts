/** Registers a worker as available while it has room, by a flag in `workers/`, unless another live session has its name. */
import { UserError } from '../machine/errors.ts';
import type { VolumeOperations, PhaseGuard } from './operations.ts';
import type { Log } from '../engine/ports.ts';
import { parseToken, type Token } from './token.ts';
import { readText, removeIfContent } from './atomic-files.ts';
import type { LeaseWatch } from './lease-watch.ts';
import type { SessionContext } from './session-context.ts';
import { readSessions } from './overview.ts';

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

/** The session's flag in `workers/`. A name belongs to one session at a time; a dead one's flag stays until it is recovered. */
export class WorkerFlag {
  readonly #context: SessionContext;
  readonly #leases: LeaseWatch;
  readonly #path: string;

  constructor(context: SessionContext, leases: LeaseWatch) {
    this.#context = context;
    this.#leases = leases;
    this.#path = context.layout.flag('workers', context.token.worker);
  }

  /** A live session of the same worker name that started earlier. */
  async rival(): Promise<Token | undefined> {
    const { files, layout, token: own } = this.#context;
    const key = (token: Token): string => `${token.started} ${token.session}`;
    for (const token of await readSessions(files, layout, `${own.worker}.`)) {
      if (token.worker !== own.worker || token.session === own.session) continue;
      if (this.#leases.isAlive(token.session) && key(token) < key(own)) return token;
    }
    return undefined;
  }

  /** False while a dead session's flag is still there, or if it is too late. */
  async set(guard: PhaseGuard): Promise<boolean> {
    if (!guard.canBegin()) return false;
    const { files } = this.#context;
    if ((await this.#context.setFlag(this.#path)) === 'ours') return true;
    const text = await readText(files, this.#path);
    if (text === undefined) return false;
    const other = parseToken(text);
    // A program without sessions has left a foreign flag under our name.
    if (other !== undefined && !this.#leases.isDead(other.session)) return false;
    if (!(await removeIfContent(files, this.#path, text, guard.canBegin))) return false;
    return this.set(guard);
  }

  /** False if it is too late in the phase. */
  takeDown(may: () => boolean): Promise<boolean> {
    return removeIfContent(this.#context.files, this.#path, this.#context.tokenText, may);
  }
}
