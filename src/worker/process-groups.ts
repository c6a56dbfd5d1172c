/** The process groups of commands that run. Whatever ends this process, they end with it, unless it is SIGKILL. */

export type GroupSignal = 'SIGTERM' | 'SIGKILL' | 0;

export class ProcessGroups {
  readonly #leaders = new Set<number>();
  readonly #killAll = (): void => {
    for (const leader of this.#leaders) signalGroup(leader, 'SIGKILL');
  };

  add(leader: number): void {
    if (this.#leaders.size === 0) process.on('exit', this.#killAll);
    this.#leaders.add(leader);
  }

  delete(leader: number): void {
    this.#leaders.delete(leader);
    if (this.#leaders.size === 0) process.off('exit', this.#killAll);
  }
}

/** False if nothing of it is left. */
export function signalGroup(leader: number, signal: GroupSignal): boolean {
  try {
    return process.kill(-leader, signal);
  } catch (error) {
    // What belongs to another user is there all the same.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
