/** Texts in YAML and JSON are what was written, not what YAML makes of it: 1.10 is not 1.1, nor 0755 755, nor yes true. */
import { isScalar } from 'yaml';

/** Of a node that is to be a text: changes its value to its source, unless it is null. */
export function asWritten(node: unknown): void {
  if (!isScalar(node) || node.value === null || typeof node.value === 'string') return;
  if (node.source !== undefined) node.value = node.source;
}
