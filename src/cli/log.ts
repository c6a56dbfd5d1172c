/** The worker's log: lines on standard error, as JSON or readable. A full disk does not stop the worker. */
import { createRequire } from 'node:module';
import { pino } from 'pino';
import type { Log } from '../engine/ports.ts';
import type { Settings } from './options.ts';
import { withSourcePlaces } from './source-places.ts';
import { shown, shownPainted } from './terminal.ts';

const STANDARD_ERROR = 2;
/** Lines that cannot be written are buffered up to this size; more are dropped. */
const MAX_BUFFERED_BYTES = 256 * 1024;

/** Errors as pino logs them, with places in the source. */
const SERIALIZERS = {
  err: (error: Error): unknown => {
    const serialized = pino.stdSerializers.err(error);
    return error instanceof Error
      ? Object.assign(serialized, { stack: withSourcePlaces(serialized.stack) })
      : serialized;
  },
};

/** Levels by name and times in ISO 8601, which log readers understand. */
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
  // The error cannot be reported anywhere. Buffered lines are written with the next line that succeeds.
  sink.on('error', () => undefined);
  const options = {
    level: settings['log-level'],
    base: { ...bindings },
    serializers: SERIALIZERS,
  };
  if (format === 'json') return pino({ ...options, ...PORTABLE_FIELDS }, sink);
  // Loaded only where it is used: it takes as long to load as a fifth of the command line.
  const { prettyFactory } = createRequire(import.meta.url)(
    'pino-pretty',
  ) as typeof import('pino-pretty');
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
    // Error messages may contain text of others.
    write: (line) => void sink.write(shownPainted(prettify(line), hasColours)),
  });
}

/** Fields that every line has, or that are shown otherwise. */
const COMMON_FIELDS: readonly string[] = [
  'level',
  'time',
  'pid',
  'hostname',
  'worker',
  'dir',
  'msg',
  'source',
];

/**
 * The worker, the message, and the other fields as JSON, without those that the message repeats. A step's message is
 * preceded by its state file.
 */
export function prettyMessage(line: Readonly<Record<string, unknown>>): string {
  const { worker, dir, source, state, msg } = line;
  const ofStep = source !== undefined;
  const isShown = ([key, value]: [string, unknown]): boolean =>
    ofStep
      ? key !== 'state' && key !== 'machine'
      : typeof value !== 'string' || !String(msg).includes(value);
  const facts = Object.entries(line)
    .filter((field) => !COMMON_FIELDS.includes(field[0]) && isShown(field))
    .map(([key, value]) => [key, key === 'err' ? (value as Partial<Error>).message : value]);
  const parts: unknown[] = [
    worker,
    dir,
    ofStep ? `${String(state)}:` : undefined,
    msg,
    facts.length > 0 ? JSON.stringify(Object.fromEntries(facts)) : undefined,
  ];
  return shown(parts.filter((part) => typeof part === 'string').join(' '));
}
