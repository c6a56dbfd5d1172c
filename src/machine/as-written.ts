/** Reads YAML scalars as text: 1.10 is not 1.1, 0755 is not 755, and yes is not true. */
import { isScalar } from 'yaml';

/** Replaces the value of a node that must be text by its source, unless it is null. */
export function asWritten(node: unknown): void {
  if (!isScalar(node) || node.value === null || typeof node.value === 'string') return;
  if (node.source !== undefined) node.value = node.source;
}
