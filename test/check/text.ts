/** Canonical JSON: equal values have equal texts. */
import type { Json } from '../../src/machine/definition.ts';

export function canonicalText(value: unknown): string {
  return JSON.stringify(value, (_, inner: Json) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
