/** A session's flag in `workers/`: each name is one session's at a time, and a dead one keeps it until it is buried. */
import type { PhaseGuard } from './operations.ts';
import { parseToken, type Token } from './token.ts';
import { readText, removeOurs } from './exclusive.ts';
import type { LeaseWatch } from './lease-watch.ts';
import type { Member } from './member.ts';
import { readSessions } from './overview.ts';

export class WorkerFlag {
  readonly #member: Member;
  readonly #leases: LeaseWatch;
  readonly #path: string;

  constructor(member: Member, leases: LeaseWatch) {
    this.#member = member;
    this.#leases = leases;
    this.#path = member.layout.flag('workers', member.token.worker);
  }

  /** An earlier session under this name that is alive. */
  async rival(): Promise<Token | undefined> {
    const { files, layout, token: own } = this.#member;
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
    const { files } = this.#member;
    if ((await this.#member.setFlag(this.#path)) === 'ours') return true;
    const text = await readText(files, this.#path);
    if (text === undefined) return false;
    const other = parseToken(text);
    // A foreign flag under our own name was left behind by a program without sessions.
    if (other !== undefined && !this.#leases.isDead(other.session)) return false;
    if (!(await removeOurs(files, this.#path, text, guard.canBegin))) return false;
    return this.set(guard);
  }

  /** False if it is too late for that. */
  takeDown(may: () => boolean): Promise<boolean> {
    return removeOurs(this.#member.files, this.#path, this.#member.tokenText, may);
  }
}
