/**
 * Resolves settings: flag, else environment, else configuration file, else default. Formats them as flags again, for the
 * workers that `up` starts, and for the commands that messages suggest.
 */
import { readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { isMap, isScalar, isSeq, parseDocument } from 'yaml';
import { asWritten } from '../machine/config.ts';
import type { Json } from '../machine/definition.ts';
import { parseDuration, writeDuration } from '../machine/duration.ts';
import { UserError, nearest, type ErrorCode } from '../machine/errors.ts';
import { parseJson } from '../machine/json-text.ts';
import type { PhaseLengths } from '../volume/phases/cycle.ts';
import { LOGGING } from './command.ts';
import {
  environmentName,
  flagOf,
  isAmbient,
  OPTIONS,
  type Option,
  type OptionName,
  type Settings,
} from './options.ts';

export type Layers = {
  readonly flags: Readonly<Record<string, unknown>>;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly file: Readonly<Record<string, unknown>>;
  /** The command's name, for options that only some commands read from the environment and the file. Undefined: all. */
  readonly command?: string;
};

/** A value for every option; options that the command does not have keep their defaults. */
export function resolveSettings(layers: Layers): Settings {
  const settings: Record<string, unknown> = {};
  for (const [name, option] of Object.entries(OPTIONS)) {
    const variable = environmentName(name);
    const ambient: [string, unknown][] = [
      [variable, layers.environment[variable] || undefined],
      [`${name} in the configuration file`, layers.file[name]],
    ];
    const sources: [string, unknown][] = [
      [`--${option.flag ?? name}`, layers.flags[name]],
      ...(isAmbient(option, layers.command) ? ambient : []),
    ];
    const [source, value] = sources.find(([, given]) => given !== undefined) ?? [
      'default',
      undefined,
    ];
    settings[name] = value === undefined ? option.default : convert(option, value, source);
  }
  return settings as unknown as Settings;
}

const CONVERT: Record<Option['type'], (value: unknown) => unknown> = {
  string: (value) =>
    typeof value === 'string' || typeof value === 'number' ? String(value) : undefined,
  number: (value) => {
    const number = value === '' ? Number.NaN : Number(value);
    return Number.isFinite(number) ? number : undefined;
  },
  boolean: (value) => ({ true: true, false: false, '1': true, '0': false })[String(value)],
  duration: (value) => parseDuration(typeof value === 'number' ? value : String(value)),
  list: (value) => {
    const items: unknown[] = Array.isArray(value) ? value : [value];
    if (items.some((item) => typeof item !== 'string' && typeof item !== 'number'))
      return undefined;
    return Array.isArray(value) ? items.map(String) : String(value).split(',');
  },
};

const EXPECTED: Record<Option['type'], string> = {
  string: 'a text',
  number: 'a number',
  boolean: 'true or false',
  duration: 'a duration such as 3s or 150ms',
  list: 'a list',
};

function convert(option: Option, value: unknown, source: string): unknown {
  const given = Array.isArray(value) && option.type !== 'list' ? value.at(-1) : value;
  const refuse = (expected: string): UserError =>
    new UserError('bad-setting', `${source} is ${JSON.stringify(given)}; it must be ${expected}`);
  if (option.or !== undefined && given === option.or) return given;
  const expected = EXPECTED[option.type] + (option.or === undefined ? '' : ` or ${option.or}`);
  let converted: unknown;
  try {
    converted = CONVERT[option.type](given);
  } catch {
    throw refuse(expected);
  }
  if (converted === undefined) throw refuse(expected);
  if (option.choices !== undefined && !option.choices.includes(converted as string)) {
    const near = nearest(converted as string, option.choices);
    const hint = near === undefined ? '' : `; did you mean ${near}?`;
    throw refuse(`one of ${option.choices.join(', ')}${hint}`);
  }
  if (option.integer === true && !Number.isInteger(converted)) throw refuse('a whole number');
  if (option.minimum !== undefined && (converted as number) < option.minimum) {
    const { minimum } = option;
    throw refuse(`at least ${option.type === 'duration' ? writeDuration(minimum) : minimum}`);
  }
  if (option.maximum !== undefined && (converted as number) > option.maximum) {
    throw refuse(`at most ${option.maximum}`);
  }
  return converted;
}

const DEFAULT_FILE = 'flockwork.config.yaml';

/** The settings in the configuration file; empty if none is named and the default one does not exist. */
export function readConfigFile(named: string | undefined): Record<string, unknown> {
  const path = named ?? DEFAULT_FILE;
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (named === undefined) return {};
    throw new UserError('bad-config', `cannot read ${path}: ${(error as Error).message}`, {
      file: path,
    });
  }
  let value: unknown;
  try {
    value = parseSettings(text) ?? {};
  } catch (error) {
    throw new UserError('bad-config', `${path}: ${(error as Error).message}`, { file: path });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new UserError(
      'bad-config',
      `${path}: expected settings by name, such as log-level: info`,
      { file: path },
    );
  }
  const known = Object.keys(OPTIONS).filter((name) => name !== 'config');
  for (const key of Object.keys(value)) {
    if (known.includes(key)) {
      if (!isFlagOnly(key)) continue;
      const message = `${path}: ${key} is for one call only; give --${flagOf(key as OptionName)} on the command line`;
      throw new UserError('bad-config', message, { file: path });
    }
    const near = nearest(key, known);
    const hint =
      near === undefined
        ? 'the keys are the options of the commands, without --'
        : `did you mean ${near}?`;
    throw new UserError('bad-config', `${path}: unknown key ${key}; ${hint}`, { file: path });
  }
  return value as Record<string, unknown>;
}

function parseSettings(text: string): unknown {
  const document = parseDocument(text);
  const [problem] = document.errors;
  if (problem !== undefined) throw problem;
  const { contents } = document;
  for (const { key, value } of isMap(contents) ? contents.items : []) {
    const type = isScalar(key) ? OPTIONS[String(key.value) as OptionName]?.type : undefined;
    if (type === 'string' || type === 'list')
      (isSeq(value) ? value.items : [value]).forEach(asWritten);
  }
  return document.toJS() as unknown;
}

const isFlagOnly = (name: string): boolean => OPTIONS[name as OptionName].ambient?.length === 0;

/** Variables of a step's command; users may define others with this prefix. */
const STEP_VARIABLE = /^FLOCKWORK_STEP_/;

/** Warnings for variables that look like settings but are not, by variable. */
export function misspeltVariables(environment: Layers['environment']): Map<string, string> {
  const flagOnly = new Map(
    Object.keys(OPTIONS)
      .filter(isFlagOnly)
      .map((name) => [environmentName(name), name]),
  );
  const names = Object.keys(OPTIONS).filter((name) => !isFlagOnly(name));
  const known = names.map(environmentName);
  const found = new Map<string, string>();
  for (const name of Object.keys(environment)) {
    if (!/^FLOCKWORK_/i.test(name) || known.includes(name) || STEP_VARIABLE.test(name)) continue;
    const flag = flagOnly.get(name);
    if (flag !== undefined) {
      const given = flagOf(flag as OptionName);
      found.set(name, `the variable ${name} is not read; give --${given} on the command line`);
      continue;
    }
    const near = nearest(name.slice('FLOCKWORK_'.length), names.map(shortVariable));
    if (near === undefined) continue;
    found.set(name, `the variable ${name} is not a setting; did you mean FLOCKWORK_${near}?`);
  }
  return found;
}

const shortVariable = (option: string): string =>
  environmentName(option).slice('FLOCKWORK_'.length);

export const PHASES: readonly (keyof PhaseLengths & OptionName)[] = [
  'assignment',
  'commitment',
  'update',
  'buffer',
];

/** Phase lengths that the user has set. */
export function askedPhases(settings: Settings): Partial<PhaseLengths> {
  return Object.fromEntries(
    PHASES.map((phase) => [phase, settings[phase]]).filter(([, length]) => length !== undefined),
  ) as Partial<PhaseLengths>;
}

/** The value of an option that takes JSON. Throws `code`, with line and column. */
export function parseJsonOption(text: string, option: string, code: ErrorCode): Json {
  const parsed = parseJson(text);
  if (parsed.ok) return parsed.value;
  const { line, column, reason } = parsed;
  throw new UserError(code, `cannot use ${option}: line ${line}, column ${column}: ${reason}`);
}

/** All settings in `names` as flags, so that the child does not depend on the configuration file. */
export function passedOn(settings: Settings, names: readonly OptionName[]): string[] {
  return names.flatMap((name) =>
    name === 'log-format' && settings[name] === undefined
      ? ['--log-format=pretty']
      : asFlags(name, settings[name]),
  );
}

function asFlags(name: OptionName, value: Settings[OptionName]): string[] {
  if (value === undefined) return [];
  if (typeof value === 'boolean') return [value ? `--${name}` : `--no-${name}`];
  const unit = OPTIONS[name].type === 'duration' ? 'ms' : '';
  return [value].flat().map((one) => `--${name}=${one}${unit}`);
}

/** Flags to repeat for the same run: settings that differ from the default, without those that the volume stores. */
export function repeated(settings: Settings, work: readonly OptionName[]): string[] {
  const kept: readonly OptionName[] = [...PHASES, 'lease', ...LOGGING];
  const names = [...work, 'workers', 'name'] as const;
  return names
    .filter((name) => !kept.includes(name))
    .filter((name) => !isDeepStrictEqual(settings[name], OPTIONS[name].default))
    .flatMap((name) => asFlags(name, settings[name]))
    .map((flag) => {
      const [, head = flag, value] = /^(--[a-z-]+)=([^-][^]*)$/.exec(flag) ?? [];
      return value === undefined ? head : `${head} ${quoted(value)}`;
    });
}

/** Quoted for a shell as one word, if needed. */
export function quoted(word: string): string {
  return /^[\w./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
