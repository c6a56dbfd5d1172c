/** `flockwork config`: stores configurations of machines on the volume. */
import { dirname } from 'node:path';
import { parse } from 'yaml';
import { parseConfiguration } from '../../machine/config.ts';
import { UserError } from '../../machine/errors.ts';
import { parseFailureRecord } from '../../machine/record.ts';
import { compareVersions, fullName } from '../../machine/registry.ts';
import { unusedStates } from '../../machine/config-schema.ts';
import type { ConfigurationName, Configurations } from '../../engine/engine.ts';
import { readText } from '../../volume/atomic-files.ts';
import { instancesOf } from './list.ts';
import { COMMON, EXIT, type Command, type Io } from '../command.ts';
import { readConfiguration } from '../machines.ts';
import type { Settings } from '../options.ts';
import { onEach, type OpenedVolume } from '../volumes.ts';

type Act = (opened: OpenedVolume, settings: Settings, io: Io) => Promise<void>;

export const config: Command = {
  name: 'config',
  describe: 'Store configurations of machines on the volume: put FILE…, get NAME[:VERSION], list',
  positional: {
    name: 'action',
    usage: 'put FILE… | get NAME[:VERSION] | list',
    describe: 'put stores files, get prints a configuration, list prints their names',
    many: true,
    required: true,
  },
  options: [...COMMON, 'json'],
  examples: [
    ['$0 config put orders.yaml', 'store it permanently, under its name and version'],
    ['$0 config get orders:v3', 'print it as it was stored; without a version, the newest'],
    ['$0 config list', 'the names of all'],
  ],
  run: async (settings, words, io) => {
    const act = actionOf(words);
    return onEach(settings, io, async (opened, each) => {
      await act(opened, settings, each);
      return EXIT.done;
    });
  },
};

/** Throws `usage` and, before anything is stored, every problem of the files to put. */
function actionOf([verb, ...rest]: readonly string[]): Act {
  if (verb === 'put' && rest.length > 0) return put(rest.map(readOne));
  if (verb === 'get' && rest.length === 1) return get(rest[0]!);
  if (verb === 'list' && rest.length === 0) return list;
  throw new UserError(
    'usage',
    'expected config put FILE…, config get NAME[:VERSION], or config list',
  );
}

interface Given extends ConfigurationName {
  readonly file: string;
  readonly text: string;
}

/** Of name and version: a file name on the volume has at most 255 bytes. */
const MAX_NAME_CHARS = 200;

/** Version of a configuration that names none, to distinguish later ones. */
const FIRST_VERSION = 'v1';

function readOne(file: string): Given {
  const text = readConfiguration(file);
  const machine = parseConfiguration(text, { file, folder: dirname(file), version: FIRST_VERSION });
  const { name, version = FIRST_VERSION } = machine;
  const [unused, ...more] = unusedStates(machine);
  if (unused !== undefined) {
    const message = `${file}: no transition names ${[unused, ...more].join(', ')}, so nothing would ever happen in them; remove them, or add transitions, for what is stored cannot be changed`;
    throw new UserError('unused-state', message, { file, states: [unused, ...more] });
  }
  if (name.length + version.length > MAX_NAME_CHARS) {
    const message = `${file}: expected a name and a version of at most ${MAX_NAME_CHARS} characters together, got ${name.length + version.length}`;
    throw new UserError('bad-name', message, { file });
  }
  return { file, name, version, text };
}

function put(all: readonly Given[]): Act {
  return async (opened, { json }, { print, stop }) => {
    const { configurations } = opened.client;
    for (const given of all) {
      const { file, text } = given;
      const configuration = fullName(given);
      const outcome = await configurations.put(given, text);
      if (outcome.kind === 'differs') {
        const { differing } = outcome;
        const message = `${configuration} is stored already and cannot be changed; give ${file} another version`;
        throw new UserError('stored-already', [message, ...differing].join('\n  '), {
          configuration,
          differing,
        });
      }
      const { kind } = outcome;
      const retried = await retryWaiting(opened, given, stop);
      if (json) print(JSON.stringify({ configuration, outcome: kind, retried }));
      else print([`${configuration}: ${kind}`, ...retried.map(describeRetried)].join('\n'));
    }
  };
}

const describeRetried = (state: string): string => `available again: ${state}`;

/** Retries states that failed because no worker knew this configuration. */
async function retryWaiting(
  { files, layout, client }: OpenedVolume,
  key: ConfigurationName,
  stop: AbortSignal,
): Promise<string[]> {
  const waiting: string[] = [];
  for await (const { name, machine } of instancesOf(client, { status: 'failed' }, { stop })) {
    if (machine !== key.name && machine !== fullName(key)) continue;
    const flag = await readText(files, layout.flag('failed', name));
    if (parseFailureRecord(flag ?? '', name)?.code === 'unknown-machine') waiting.push(name);
  }
  const retried = await client.retry(waiting);
  return waiting.filter((_, index) => retried[index]);
}

function get(word: string): Act {
  return async (opened, { json }, { print, data }) => {
    const { configurations } = opened.client;
    const known = await sorted(configurations);
    // Sorted: the last one is the newest.
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
  const names = (await sorted(opened.client.configurations)).map(fullName);
  if (json) print(JSON.stringify({ configurations: names }));
  else if (names.length === 0) print('no configurations');
  else for (const name of names) print(name);
};

/** Sorted by name, then from the oldest version. */
async function sorted(configurations: Configurations): Promise<ConfigurationName[]> {
  const names = await configurations.list();
  return names.sort((one, other) =>
    one.name === other.name ? compareVersions(one, other) : one.name < other.name ? -1 : 1,
  );
}
