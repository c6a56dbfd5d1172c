/** Formats settings as flags: for the workers that `up` starts, and for the commands that messages suggest. */
import { isDeepStrictEqual } from 'node:util';
import { LOGGING } from './command.ts';
import { OPTIONS, type OptionName, type Settings } from './options.ts';
import { PHASES } from './settings.ts';

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
