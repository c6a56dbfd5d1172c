/** Maps values to small integers: values of equal content have the same integer. */
import type { Json } from '../machine/definition.ts';

export class InternTable<Value> {
  readonly #known = new Map<string, number>();
  readonly values: Value[] = [];

  intern(value: Value): number {
    const key = canonical(value as Json);
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    this.#known.set(key, this.values.length);
    return this.values.push(value) - 1;
  }
}

/** JSON with sorted keys: equal values have equal texts. */
export function canonical(value: Json | undefined): string {
  return JSON.stringify(value, (_, inner: Json) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
