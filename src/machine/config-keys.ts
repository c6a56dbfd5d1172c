/** Alternative keys of a configuration: `startingState`, as in the JSON of protocol buffers, for `starting_state`. */
import { isMap, isScalar, type Document } from 'yaml';

const ALSO: Readonly<Record<string, string>> = { startingState: 'starting_state' };

/** Renames them in the document, keeping positions. A key that is present in both forms is left for the schema to refuse. */
export function useStandardKeys({ contents }: Document): void {
  if (!isMap(contents)) return;
  for (const { key } of contents.items) {
    const standard = isScalar(key) ? ALSO[String(key.value)] : undefined;
    if (isScalar(key) && standard !== undefined && !contents.has(standard)) key.value = standard;
  }
}
