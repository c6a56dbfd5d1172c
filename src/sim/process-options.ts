/** What a simulated process on a volume is started with. */
import type { PhaseLengths } from '../volume/phases/cycle.ts';
import type { ArchiveRules } from '../volume/archiver.ts';
import type { GatheringOptions } from '../volume/phases/fleet.ts';
import type { HostProcessOptions } from './host-process.ts';
import type { Log } from '../engine/ports.ts';

/** Where the volume is mounted on every simulated host. */
export const MOUNT = '/volume';

export interface ProcessOptions extends HostProcessOptions {
  readonly phases: PhaseLengths;
  readonly assign: 'slices' | 'zip';
  readonly follow: boolean;
  readonly eager: boolean;
  /** Undefined: its first claim waits for no other worker. */
  readonly gathering?: GatheringOptions;
  readonly freshListings: boolean;
  /** What it asks for may happen twice: so it is on networks, and on no local file system. */
  readonly repeats: boolean;
  /** Milliseconds that one file operation takes, about. */
  readonly latency: number;
  /** What the volume says of a name that is taken. */
  readonly taken: 'EEXIST' | 'EPERM';
  /** Names that the volume lets one file have. */
  readonly maxLinks: number;
  /** Each worker is another user, and may not give the others' files a name. */
  readonly protectsLinks: boolean;
  /** Undefined: nothing is archived. */
  readonly archive?: ArchiveRules;
  /** Whose clock stamps mtime. */
  readonly stamps: 'volume' | 'client' | 'whole seconds';
}

/** `trace` receives a function: the text is only made if a trace is written. */
export function traceLog(trace: (text: () => string) => void): Log {
  const line =
    (level: string) =>
    (facts: Record<string, unknown>, message: string): void => {
      trace(() => `${level}: ${message}${describeError(facts['err'])}`);
    };
  return { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') };
}

function describeError(error: unknown): string {
  return error === undefined ? '' : ` (${(error as Error).message})`;
}

/** A path relative to the volume's root. */
export function shorten(path: string): string {
  return path.startsWith(MOUNT) ? path.slice(MOUNT.length + 1) || '.' : path;
}
