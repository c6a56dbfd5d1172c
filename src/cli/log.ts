/** The log of a worker: lines on standard error, JSON or readable. A full disk below it ends nothing. */
import { pino } from 'pino';
import { prettyFactory } from 'pino-pretty';
import type { Log } from '../worker/ports.ts';
import type { Settings } from './options.ts';
import { shown, shownPainted } from './shown.ts';

const STANDARD_ERROR = 2;
/** Bytes that are kept while they cannot be written; more is dropped. */
const MAX_BUFFERED_BYTES = 256 * 1024;

/** Levels by name and instants in ISO 8601: programs that read logs know both. */
const PORTABLE_FIELDS = {
  formatters: { level: (level: string) => ({ level }) },
  timestamp: pino.stdTimeFunctions.isoTime,
};

export function createLog(
  settings: Pick<Settings, 'log-format' | 'log-level'>,
  bindings: Record<string, unknown>,
): Log {
  const format = settings['log-format'] ?? (process.stderr.isTTY ? 'pretty' : 'json');
  const sink = pino.destination({
    dest: STANDARD_ERROR,
    sync: true,
    maxLength: MAX_BUFFERED_BYTES,
  });
  // There is nowhere to say it. What is kept is written with the next line for which there is room.
  sink.on('error', () => undefined);
  const options = { level: settings['log-level'], base: { ...bindings } };
  if (format === 'json') return pino({ ...options, ...PORTABLE_FIELDS }, sink);
  const hasColours =
    process.stderr.isTTY && process.stderr.hasColors() && process.env['NO_COLOR'] === undefined;
  const prettify = prettyFactory({
    colorize: hasColours,
    ignore: 'pid,hostname,worker,dir,source',
    translateTime: 'SYS:HH:MM:ss.l',
    messageFormat: (line) => prettyMessage(line),
    hideObject: settings['log-level'] !== 'debug',
  });
  return pino(options, {
    // Errors hold what others said, too.
    write: (line) => void sink.write(shownPainted(prettify(line), hasColours)),
  });
}

/** What every line has, and what a step's line says besides. */
const COMMON_FIELDS: readonly string[] = [
  'level',
  'time',
  'pid',
  'hostname',
  'worker',
  'dir',
  'msg',
  'source',
  'state',
  'machine',
];

/** Begins with the worker; what a step says begins with its state file, and ends with the facts that it gave. */
export function prettyMessage(line: Readonly<Record<string, unknown>>): string {
  const { worker, dir, source, state, msg } = line;
  const facts = Object.entries(line).filter(([key]) => !COMMON_FIELDS.includes(key));
  const ofStep = source !== undefined;
  const parts: unknown[] = [
    worker,
    dir,
    ofStep ? `${String(state)}:` : undefined,
    msg,
    ofStep && facts.length > 0 ? JSON.stringify(Object.fromEntries(facts)) : undefined,
  ];
  return shown(parts.filter((part) => typeof part === 'string').join(' '));
}
