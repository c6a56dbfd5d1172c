/** `flockwork submit`: put state files into a volume. */
import { randomUUID } from 'node:crypto';
import { UserError } from '../../machine/errors.ts';
import { newInstances, readCandidates, submitAll } from '../candidates.ts';
import { COMMON, EXIT, LOGGING, type Command } from '../command.ts';
import { directoriesOf } from '../directories.ts';
import { submitFromInboxes } from './submit-watch.ts';

export const submit: Command = {
  name: 'submit',
  describe: 'Put state files into a volume: whole, and never over what is there',
  positional: { name: 'paths', describe: 'State files, or folders of them', many: true },
  options: [...COMMON, 'machine', 'each', 'payload', 'count', 'watch', 'json', ...LOGGING],
  examples: [
    [
      '$0 submit simpleStates interestingStates --dir /mnt/states',
      'all state files of two folders',
    ],
    [
      "$0 submit jobs/ --dir '/mnt/vol-*'",
      'spread over several volumes, each instance always to the same one',
    ],
    [
      '$0 submit --watch /data/inbox --dir /mnt/states',
      'each state file that is dropped into a folder',
    ],
    [`$0 submit --machine countdown --payload '{"count": 3}' --count 10`, 'ten new instances'],
  ],
  run: async (settings, paths, io) => {
    const { machine, payload, count } = settings;
    if (settings.watch) return submitFromInboxes(settings, paths, io);
    if ((machine === undefined) === (paths.length === 0)) {
      throw new UserError(
        'usage',
        'submit either PATHS, or new instances with --machine; see submit --help',
      );
    }
    const unique = randomUUID().slice(0, 8);
    const candidates =
      machine === undefined ? readCandidates(paths) : newInstances(machine, payload, count, unique);
    if (candidates.length === 0) {
      throw new UserError('nothing', `there is no state file (NAME.state) in ${paths.join(', ')}`);
    }
    const outcomes = await submitAll(directoriesOf(settings), candidates, unique);
    if (settings.json) io.print(JSON.stringify(Object.fromEntries(outcomes)));
    else for (const [name, outcome] of outcomes) io.print(`${name}: ${outcome}`);
    const taken = [...outcomes].filter(([, outcome]) => outcome === 'name taken');
    if (taken.length === 0) return EXIT.done;
    const names = taken.map(([name]) => name).join(', ');
    throw new UserError(
      'name-taken',
      `kept as they are, because other files have these names: ${names}; submit them under other names`,
    );
  },
};
