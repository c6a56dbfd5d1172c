/** The differences between two configurations of one name and version, regardless of layout. */
import { parseDocument } from 'yaml';
import { useStandardKeys } from './config.ts';

const MAX_SHOWN_LENGTH = 60;

/** Equal in both, though perhaps written differently: 1.10 or "1.10". */
const KEY: readonly string[] = ['name', 'version'];

/** One line for each difference; empty if only comments and the order of keys differ. */
export function configurationDifferences(stored: string, given: string): string[] {
  return stored === given ? [] : differences(valueOf(stored), valueOf(given), []);
}

function valueOf(text: string): unknown {
  const document = parseDocument(text);
  if (document.errors.length > 0) return text;
  try {
    useStandardKeys(document);
    return document.toJS();
  } catch {
    // An alias without an anchor, or too many aliases.
    return text;
  }
}

function differences(stored: unknown, given: unknown, path: readonly string[]): string[] {
  if (isPart(stored) && isPart(given) && Array.isArray(stored) === Array.isArray(given)) {
    const keys = new Set([...Object.keys(stored), ...Object.keys(given)]);
    const telling = [...keys].filter((key) => path.length > 0 || !KEY.includes(key));
    return telling.flatMap((key) => differences(own(stored, key), own(given, key), [...path, key]));
  }
  if (Object.is(stored, given)) return [];
  const where = path.length === 0 ? 'the configuration' : path.join('.');
  return [`${where}: ${show(stored)} is stored, not ${show(given)}`];
}

function isPart(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function own(value: Readonly<Record<string, unknown>>, key: string): unknown {
  return Object.hasOwn(value, key) ? value[key] : undefined;
}

function show(value: unknown): string {
  const text = value === undefined ? 'nothing' : JSON.stringify(value);
  return text.length > MAX_SHOWN_LENGTH ? `${text.slice(0, MAX_SHOWN_LENGTH)}…` : text;
}
