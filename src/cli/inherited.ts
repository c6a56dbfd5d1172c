/** The environment that commands of steps inherit: without variables that would be options of a nested `flockwork`. */
import { environmentName } from './option.ts';
import { OPTIONS } from './options.ts';

type Variables = Readonly<Record<string, string | undefined>>;

/** All variables except the worker's options. */
export function inheritedBy(environment: Variables): Variables {
  const options = new Set(Object.keys(OPTIONS).map(environmentName));
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !options.has(name)));
}
