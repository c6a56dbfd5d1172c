/** Values that are made when they are first needed. */

/**
 * Calls `make` once, at the first call of the returned function. For schemas: to make all of them takes 20 ms, at each start
 * of each command, and most commands need one or two.
 */
export function lazy<T extends object>(make: () => T): () => T {
  let made: T | undefined;
  return () => (made ??= make());
}
