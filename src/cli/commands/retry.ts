/** `flockwork retry`: makes failed states available again. */
import { UserError } from '../../machine/errors.ts';
import { parseStateName } from '../../machine/name.ts';
import { instancesOf } from './list.ts';
import { COMMON, EXIT, type Command } from '../command.ts';
import { namesText } from '../tables.ts';
import { openAll, type OpenedVolume } from '../volumes.ts';

/** States that are retried between two checks for signals. */
const BATCH_STATES = 100;
/** Failed states that an error lists. */
const MAX_NAMES = 10;

interface Failed {
  readonly name: string;
  readonly on: OpenedVolume;
}

export const retry: Command = {
  name: 'retry',
  describe: 'Make failed states available again, as if they had never been attempted',
  positional: { name: 'names', describe: 'Failed states, or instances', many: true },
  options: [...COMMON, 'all', 'json'],
  optionTexts: { all: { describe: 'All failed states' } },
  excludes: { all: ['names'] },
  examples: [
    ['$0 retry report-7.state', 'one state'],
    ['$0 retry --all', 'all failed states'],
  ],
  run: async (settings, words, io) => {
    if (settings.all === words.length > 0) {
      throw new UserError('usage', 'expected either NAMES or --all');
    }
    const failed = (await Promise.all((await openAll(settings)).map(failedOn))).flat();
    const isMeant = ({ name }: Failed, word: string): boolean =>
      name === word || parseStateName(name)?.instance === word;
    const unknown = words.filter((word) => !failed.some((one) => isMeant(one, word)));
    if (unknown.length > 0) {
      const all =
        namesText(
          failed.map(({ name }) => name),
          MAX_NAMES,
        ) || 'none';
      const message = `cannot retry ${unknown.join(', ')}: expected failed states or their instances, and failed are: ${all}`;
      throw new UserError('not-failed', message);
    }
    const meant = settings.all
      ? failed
      : failed.filter((one) => words.some((word) => isMeant(one, word)));
    const [retried, forgotten]: [string[], string[]] = [[], []];
    for (const [on, all] of Map.groupBy(meant, (one) => one.on)) {
      for (let start = 0; start < all.length && !io.stop.aborted; start += BATCH_STATES) {
        const names = all.slice(start, start + BATCH_STATES).map(({ name }) => name);
        for (const name of names) {
          const isThere = (await on.files.stat(on.layout.state(name))) !== undefined;
          (isThere ? retried : forgotten).push(name);
        }
        await on.client.retry(names);
      }
    }
    if (settings.json) io.print(JSON.stringify({ retried, forgotten }));
    else {
      if (meant.length === 0) io.print('nothing has failed');
      if (retried.length > 0) io.print(`available again: ${retried.join(', ')}`);
      if (forgotten.length > 0) {
        io.print(`removed from failed/, as the state file does not exist: ${forgotten.join(', ')}`);
      }
    }
    return EXIT.done;
  },
};

async function failedOn(on: OpenedVolume): Promise<Failed[]> {
  const failed: Failed[] = [];
  for await (const { name } of instancesOf(on.client, { status: 'failed' }))
    failed.push({ name, on });
  return failed;
}
