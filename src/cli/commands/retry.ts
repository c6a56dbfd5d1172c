/** `flockwork retry`: makes failed states available again. */
import { UserError } from '../../machine/errors.ts';
import { parseStateName } from '../../machine/name.ts';
import type { ClientApi } from '../../engine/engine.ts';
import { volumeClient } from '../../volume/engine.ts';
import { breather } from '../breather.ts';
import { COMMON, EXIT, type Command } from '../command.ts';
import { openAll, type OpenedVolume } from '../volume.ts';

interface Failed {
  readonly name: string;
  readonly on: ClientApi;
  readonly opened: OpenedVolume;
}

export const retry: Command = {
  name: 'retry',
  describe: 'Make failed states available again, with no attempts',
  positional: { name: 'names', describe: 'State files or instances', many: true },
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
      const all = failed.map(({ name }) => name).join(', ') || 'none';
      throw new UserError(
        'not-failed',
        `${unknown.join(', ')}: not among the failed states (${all})`,
      );
    }
    const meant = settings.all
      ? failed
      : failed.filter((one) => words.some((word) => isMeant(one, word)));
    const [retried, forgotten]: [string[], string[]] = [[], []];
    const goesOn = breather(io.stop);
    for (const { name, on, opened } of meant) {
      if (!(await goesOn())) break;
      const isThere = (await opened.files.stat(opened.layout.state(name))) !== undefined;
      await on.retry(name);
      (isThere ? retried : forgotten).push(name);
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

async function failedOn(opened: OpenedVolume): Promise<Failed[]> {
  const on = volumeClient(opened);
  return (await on.failed()).map((name) => ({ name, on, opened }));
}
