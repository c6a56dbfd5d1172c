/** Things as small whole numbers: equal content, equal number. */
import type { Json } from '../machine/definition.ts';

export class Numbers<Thing> {
  readonly #known = new Map<string, number>();
  readonly all: Thing[] = [];

  of(thing: Thing): number {
    const key = canonical(thing as Json);
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    this.#known.set(key, this.all.length);
    return this.all.push(thing) - 1;
  }
}

/** JSON whose keys are sorted: what is equal reads the same. */
export function canonical(value: Json | undefined): string {
  return JSON.stringify(value, (_, inner: Json) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
