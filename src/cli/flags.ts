/** Settings as flags: for the workers that `up` starts, and for people who are told to say them again. */
import { isDeepStrictEqual } from 'node:util';
import { LOGGING } from './command.ts';
import { OPTIONS, type OptionName, type Settings } from './options.ts';
import { PHASES } from './phases.ts';

/** Every setting a worker has, as a flag: a child does not read the configuration file again. */
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

/** What has to be said again for the same run: all that is not the default, but for what the volume keeps itself. */
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

/** As a shell takes it for one word, patterns included. */
export function quoted(word: string): string {
  return /^[\w./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
