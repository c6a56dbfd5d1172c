/** What the commands of steps get of the worker's environment: nothing that would be an option to a flockwork that they call. */
import { environmentName } from './option.ts';
import { OPTIONS } from './options.ts';

type Variables = Readonly<Record<string, string | undefined>>;

/** All but the worker's own options: where its volume is, each step says for itself. */
export function inheritedBy(environment: Variables): Variables {
  const options = new Set(Object.keys(OPTIONS).map(environmentName));
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !options.has(name)));
}
