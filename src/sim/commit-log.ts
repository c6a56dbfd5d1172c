/** What an engine has committed, as its settlements were answered: the true progress, where no oracle sees the store itself. */
import { originName } from '../machine/name.ts';
import { publishedStates, type CommitRecord, type PublishedState } from '../machine/record.ts';
import type { TrueSteps } from './true-steps.ts';

export class CommitLog implements TrueSteps {
  readonly #done = new Map<string, CommitRecord | undefined>();
  /** Contents by name: what users submitted, and what commits published. The first counts. */
  readonly states: Map<string, string> = new Map();
  readonly #events = new Map<string, string>();

  get commits(): number {
    return this.#done.size;
  }

  /** The events that it sends are known by their contents. */
  commit(name: string, record: CommitRecord | undefined): void {
    this.#done.set(name, record);
    for (const event of record?.emit ?? []) this.#events.set(event.name, event.content);
  }

  /** Returns false if another content has this name. */
  publish({ name, content }: PublishedState): boolean {
    const known = this.states.get(name);
    if (known === undefined) this.states.set(name, content);
    return known === undefined || known === content;
  }

  isDone(name: string): boolean {
    return this.#done.has(name);
  }

  recordOf(name: string): CommitRecord | undefined {
    return this.#done.get(name);
  }

  follower(name: string): PublishedState | undefined {
    const record = this.recordOf(originName(name) ?? '');
    return publishedStates(record).find((one) => one.name === name);
  }

  hasState(name: string): boolean {
    return this.states.has(name);
  }

  eventText(file: string): string | undefined {
    return this.#events.get(file);
  }
}
