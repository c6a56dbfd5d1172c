/** A session that tells of what it has seen, and of what came of its claims. */
import type { Session, Snapshot } from '../volume/operations.ts';

interface Watcher {
  onSnapshot(snapshot: Snapshot): void;
  onClaim(name: string, outcome: Awaited<ReturnType<Session['claim']>>): void;
}

export function watched(session: Session, watcher: Watcher): Session {
  const own: Partial<Session> = {
    snapshot: async (...args) => {
      const snapshot = await session.snapshot(...args);
      watcher.onSnapshot(snapshot);
      return snapshot;
    },
    claim: async (...args) => {
      const outcome = await session.claim(...args);
      watcher.onClaim(args[0], outcome);
      return outcome;
    },
  };
  return new Proxy(session, {
    get: (target, property) => {
      const value: unknown =
        Reflect.get(own, property) ?? (Reflect.get(target, property, target) as unknown);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
