/** A session that tells of what it has seen, and of what came of its claims. */
import type { VolumeOperations, Snapshot } from '../volume/operations.ts';

interface Watcher {
  onSnapshot(snapshot: Snapshot): void;
  onClaim(name: string, outcome: Awaited<ReturnType<VolumeOperations['claim']>>): void;
}

export function watched(session: VolumeOperations, watcher: Watcher): VolumeOperations {
  const own: Partial<VolumeOperations> = {
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
