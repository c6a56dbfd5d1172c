/** `flockwork retry`: bring failed states back. */
import { UserError } from '../../machine/errors.ts';
import { parseStateName } from '../../machine/name.ts';
import { listOrNone } from '../../volume/exclusive.ts';
import { retryState } from '../../volume/mend.ts';
import { COMMON, EXIT, type Command } from '../command.ts';
import { openExisting } from '../volume.ts';

export const retry: Command = {
  name: 'retry',
  describe: 'Bring failed states back: their attempts are forgotten, and they are available again',
  positional: { name: 'names', describe: 'State files or instances', many: true },
  options: [...COMMON, 'all', 'json'],
  examples: [
    ['$0 retry report-7.state', 'one state'],
    ['$0 retry --all', 'everything that failed'],
  ],
  run: async (settings, words, io) => {
    if (settings.all === words.length > 0) {
      throw new UserError('usage', 'retry either NAMES or --all');
    }
    const { files, layout } = await openExisting(settings);
    const failed = (await listOrNone(files, layout.flags('failed'))).filter(
      (name) => parseStateName(name) !== undefined,
    );
    const meant = (word: string): string[] =>
      failed.filter((name) => name === word || parseStateName(name)?.instance === word);
    const unknown = words.filter((word) => meant(word).length === 0);
    if (unknown.length > 0) {
      throw new UserError(
        'not-failed',
        `${unknown.join(', ')}: not among what failed (${failed.join(', ') || 'nothing has'})`,
      );
    }
    const names = settings.all ? failed : [...new Set(words.flatMap(meant))];
    for (const name of names) await retryState(files, layout, name);
    if (settings.json) io.print(JSON.stringify({ retried: names }));
    else
      io.print(names.length === 0 ? 'nothing has failed' : `available again: ${names.join(', ')}`);
    return EXIT.done;
  },
};
