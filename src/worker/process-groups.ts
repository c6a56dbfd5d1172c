/** The process groups of running commands. They are killed when this process ends, except by SIGKILL. */

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

/** Returns false if no process of the group is left. */
export function signalGroup(leader: number, signal: GroupSignal): boolean {
  try {
    return process.kill(-leader, signal);
  } catch (error) {
    // EPERM: the process exists, but belongs to another user.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
