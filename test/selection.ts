/** Which mutants and file systems `.ci/run` tries, of those that `npm run nightly` tries all of. */
import { createHash } from 'node:crypto';

const DAY_MS = 86_400_000;
/** Of the mutants whose files have not changed. */
const RANDOM_SHARE = 0.1;
const PER_DAY = 3;

const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex');

/**
 * Selects the mutants whose file is among `changed` (paths relative to the root of the checkout), and a tenth of the
 * others, rounded up. The same seed selects the same tenth.
 */
export function selectMutants<One extends { readonly name: string; readonly file: string }>(
  mutants: readonly One[],
  changed: readonly string[],
  seed: string,
): One[] {
  const others = mutants
    .filter(({ file }) => !changed.includes(file))
    .map((one) => ({ one, rank: hashOf(`${seed}/${one.name}`) }))
    .toSorted((a, b) => (a.rank < b.rank ? -1 : 1));
  const drawn = new Set(
    others.slice(0, Math.ceil(others.length * RANDOM_SHARE)).map(({ one }) => one),
  );
  return mutants.filter((one) => changed.includes(one.file) || drawn.has(one));
}

/**
 * Selects three of `all` for a date such as `2026-11-30`; undefined if it is not a date. Eight or nine are all selected
 * within any three days in a row. Those of one day are far apart in the list, so that similar ones come on different days.
 */
export function selectByDate<One>(all: readonly One[], date: string): One[] | undefined {
  const time = Date.parse(date);
  if (!/^\d{4}-\d\d-\d\d$/.test(date) || Number.isNaN(time)) return undefined;
  const stride = Math.ceil(all.length / PER_DAY);
  const first = (time / DAY_MS) % stride;
  const places = Array.from(
    { length: PER_DAY },
    (_, index) => (first + index * stride) % all.length,
  );
  return all.filter((_, index) => places.includes(index));
}
