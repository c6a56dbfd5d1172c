/** A volume as a store: what `store/contract.ts` asks, in the words of this folder. */
import { randomUUID } from 'node:crypto';
import { configurationDifferences } from '../machine/config-difference.ts';
import { isStateName, parseStateName } from '../machine/name.ts';
import { checkConfigurationName, checkMessage, checkState } from '../engine/validate.ts';
import type { ConfigurationName, Front, Put, Recruit, Store } from '../engine/engine.ts';
import { readChain, readLast } from './chain-steps.ts';
import { getConfiguration, listConfigurations, putConfiguration } from './configurations.ts';
import { isDone } from './archive.ts';
import { listEntry, listOrNone } from './exclusive.ts';
import type { HistoryFiles } from './history.ts';
import { Layout } from './layout.ts';
import { listShards, retryState } from './mend.ts';
import { standingOf } from './outcomes.ts';
import { sendEvent } from './send.ts';
import { openSession, type SessionOptions, type SessionPorts } from './directory-operations.ts';
import { submitState } from './submit.ts';

interface At {
  readonly files: HistoryFiles;
  readonly layout: Layout;
}

/** Makes what it needs where it is missing; `Work` needs a volume that a worker has opened. */
export function volumeFront({ files, layout }: At): Front {
  return {
    configurations: {
      put: (key, text) => put({ files, layout }, key, text),
      get: (key) => getConfiguration(files, layout, key),
      list: () => listConfigurations(files, layout),
    },
    instances: {
      submit: async (name, bytes) => {
        checkState(name, bytes);
        const submitted = await submitState(files, layout, { name, bytes }, randomUUID());
        await files.sync(layout.root);
        return submitted;
      },
      now: (instance) => readLast(files, layout, instance),
      list: () => listInstances({ files, layout }),
      failed: () => listFailed({ files, layout }),
      // done beats failed where both exist.
      retry: async (state) =>
        !(await isDone(files, layout, state)) && retryState(files, layout, state),
    },
    events: {
      send: async (message) => {
        checkMessage(message);
        return sendEvent(files, layout, message, randomUUID());
      },
    },
    outcomes: {
      of: async (id) => {
        const standing = await standingOf(files, layout, id);
        return standing.kind === 'over' ? standing : undefined;
      },
    },
    history: { steps: (instance) => readChain(files, layout, instance) },
  };
}

export function volumeStore(
  ports: SessionPorts & { readonly files: HistoryFiles },
  options: Omit<SessionOptions, keyof Recruit>,
): Store {
  const { directory, volume } = options;
  return {
    ...volumeFront({ files: ports.files, layout: new Layout(directory) }),
    work: {
      id: volume.id,
      open: (recruit) => openSession(ports, { ...options, ...recruit }),
    },
  };
}

async function put({ files, layout }: At, key: ConfigurationName, text: string): Promise<Put> {
  checkConfigurationName(key);
  const isNew = (await getConfiguration(files, layout, key)) === undefined;
  const stored = await putConfiguration(files, layout, key, text, randomUUID());
  const differing = configurationDifferences(stored, text);
  if (differing.length > 0) return { kind: 'differs', differing };
  return { kind: isNew ? 'stored' : 'there already' };
}

async function listInstances({ files, layout }: At): Promise<string[]> {
  const instances = new Set<string>();
  for (const directory of [layout.entries, ...(await listShards(files, layout))]) {
    for (const name of await listEntry(files, directory)) {
      const parsed = parseStateName(name);
      if (parsed !== undefined) instances.add(parsed.instance);
    }
  }
  return [...instances];
}

async function listFailed({ files, layout }: At): Promise<string[]> {
  const failed: string[] = [];
  for (const name of (await listOrNone(files, layout.flags('failed'))).filter(isStateName)) {
    if (!(await isDone(files, layout, name))) failed.push(name);
  }
  return failed;
}
