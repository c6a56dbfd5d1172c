/** `flockwork config`: configurations of machines, kept on the volume. */
import { dirname } from 'node:path';
import { parse } from 'yaml';
import { parseConfiguration } from '../../machine/config.ts';
import { UserError } from '../../machine/errors.ts';
import { isStateName } from '../../machine/name.ts';
import { parseFailureRecord } from '../../machine/record.ts';
import { compareVersions, fullName } from '../../machine/registry.ts';
import { unusedStates } from '../../machine/unused-states.ts';
import type { ConfigurationName, Configurations } from '../../store/contract.ts';
import { listOrNone, readText } from '../../volume/exclusive.ts';
import { retryState } from '../../volume/mend.ts';
import { machineOf } from '../../volume/overview.ts';
import { volumeFront } from '../../volume/store.ts';
import { breather } from '../breather.ts';
import { COMMON, EXIT, type Command, type Io } from '../command.ts';
import { readConfiguration } from '../machines.ts';
import type { Settings } from '../options.ts';
import { onEach, type OpenedVolume } from '../volume.ts';

type Act = (opened: OpenedVolume, settings: Settings, io: Io) => Promise<void>;

export const config: Command = {
  name: 'config',
  describe: 'Keep configurations of machines on the volume: put FILE…, get NAME[:VERSION], list',
  positional: {
    name: 'action',
    usage: 'put FILE… | get NAME[:VERSION] | list',
    describe: 'put stores files, get prints what is stored, list names it',
    many: true,
    required: true,
  },
  options: [...COMMON, 'json'],
  examples: [
    ['$0 config put orders.yaml', 'store it, for ever, under its name and version'],
    ['$0 config get orders:v3', 'print it as it was stored; without a version, the newest'],
    ['$0 config list', 'all there are'],
  ],
  run: async (settings, words, io) => {
    const act = actionOf(words);
    return onEach(settings, io, async (opened, each) => {
      await act(opened, settings, each);
      return EXIT.done;
    });
  },
};

/** Throws `usage`, and for what is to be put everything that is wrong with it, before anything is stored. */
function actionOf([verb, ...rest]: readonly string[]): Act {
  if (verb === 'put' && rest.length > 0) return put(rest.map(readOne));
  if (verb === 'get' && rest.length === 1) return get(rest[0]!);
  if (verb === 'list' && rest.length === 0) return list;
  throw new UserError('usage', 'config what? put FILE…, get NAME[:VERSION], or list');
}

interface Given extends ConfigurationName {
  readonly file: string;
  readonly text: string;
}

/** A file name on the volume may have 255 bytes. */
const MAX_NAME_CHARS = 200;

/** Of a configuration that names none: later ones can be told from it. */
const FIRST_VERSION = 'v1';

function readOne(file: string): Given {
  const text = readConfiguration(file);
  const machine = parseConfiguration(text, { file, folder: dirname(file), version: FIRST_VERSION });
  const { name, version = FIRST_VERSION } = machine;
  const [unused, ...more] = unusedStates(machine);
  if (unused !== undefined) {
    const message = `${file}: no transition names ${[unused, ...more].join(', ')}, so no instance would ever be there; what is stored stays for ever`;
    throw new UserError('unused-state', message, { file, states: [unused, ...more] });
  }
  if (name.length + version.length > MAX_NAME_CHARS) {
    const message = `${file}: its name and version have more than ${MAX_NAME_CHARS} characters`;
    throw new UserError('bad-name', message, { file });
  }
  return { file, name, version, text };
}

function put(all: readonly Given[]): Act {
  return async (opened, { json }, { print, stop }) => {
    const { configurations } = volumeFront(opened);
    for (const given of all) {
      const { file, text } = given;
      const configuration = fullName(given);
      const outcome = await configurations.put(given, text);
      if (outcome.kind === 'differs') {
        const { differing } = outcome;
        const message = `${configuration} is stored already, and never changes; give what is in ${file} another version`;
        throw new UserError('stored-already', [message, ...differing].join('\n  '), {
          configuration,
          differing,
        });
      }
      const { kind } = outcome;
      const retried = await retryWaiting(opened, given, stop);
      if (json) print(JSON.stringify({ configuration, outcome: kind, retried }));
      else print([`${configuration}: ${kind}`, ...retried.map(sayAgain)].join('\n'));
    }
  };
}

const sayAgain = (state: string): string => `available again: ${state}`;

/** What has failed for want of it. */
async function retryWaiting(
  { files, layout }: Pick<OpenedVolume, 'files' | 'layout'>,
  key: ConfigurationName,
  stop: AbortSignal,
): Promise<string[]> {
  const retried: string[] = [];
  const goesOn = breather(stop);
  const failed = await listOrNone(files, layout.flags('failed'));
  for (const state of failed.filter(isStateName)) {
    if (!(await goesOn())) break;
    const flag = await readText(files, layout.flag('failed', state));
    if (parseFailureRecord(flag ?? '', state)?.code !== 'unknown-machine') continue;
    const machine = await machineOf(files, layout, state);
    if (machine !== key.name && machine !== fullName(key)) continue;
    if (await retryState(files, layout, state)) retried.push(state);
  }
  return retried;
}

function get(word: string): Act {
  return async (opened, { json }, { print, data }) => {
    const { configurations } = volumeFront(opened);
    const known = await sorted(configurations);
    // The last one is the newest.
    const key = known.findLast((one) => one.name === word || fullName(one) === word);
    const text = key && (await configurations.get(key));
    if (key === undefined || text === undefined) {
      const there =
        known.length === 0 ? 'there is none' : `there are ${known.map(fullName).join(', ')}`;
      const message = `no configuration ${word} in ${opened.layout.root}; ${there}`;
      throw new UserError('unknown-configuration', message, { configuration: word });
    }
    if (json) print(JSON.stringify({ ...(parse(text) as object), version: key.version }));
    else data(text.replace(/\n$/, ''));
  };
}

const list: Act = async (opened, { json }, { print }) => {
  const names = (await sorted(volumeFront(opened).configurations)).map(fullName);
  if (json) print(JSON.stringify({ configurations: names }));
  else if (names.length === 0) print('no configurations');
  else for (const name of names) print(name);
};

/** By name, then the oldest version first. */
async function sorted(configurations: Configurations): Promise<ConfigurationName[]> {
  const names = await configurations.list();
  return names.sort((one, other) =>
    one.name === other.name ? compareVersions(one, other) : one.name < other.name ? -1 : 1,
  );
}
