/** Keys of a configuration that may be written in two ways: `starting_state`, or `startingState` as protocol buffers have it in JSON. */
import { isMap, isScalar, type Document } from 'yaml';

const ALSO: Readonly<Record<string, string>> = { startingState: 'starting_state' };

/** Renames them in the document; what is there in both ways is left, for the schema to refuse. Places stay what they were. */
export function useStandardKeys({ contents }: Document): void {
  if (!isMap(contents)) return;
  for (const { key } of contents.items) {
    const standard = isScalar(key) ? ALSO[String(key.value)] : undefined;
    if (isScalar(key) && standard !== undefined && !contents.has(standard)) key.value = standard;
  }
}
