/** `flockwork list`: lists instances, by machine, state and status. */
import { formatDuration } from '../../machine/duration.ts';
import { compareCodePoints } from '../../machine/name.ts';
import type {
  ClientApi,
  InstanceFilter,
  InstanceStatus,
  ListedInstance,
} from '../../engine/engine.ts';
import { COMMON, EXIT, type Command, type Io } from '../command.ts';
import type { Settings } from '../options.ts';
import { realClock } from '../../api/node-ports.ts';
import { table } from '../tables.ts';
import { onEach, requireVolume, type OpenedVolume } from '../volumes.ts';

/** For people; `--json` prints all. */
const DEFAULT_PAGE_INSTANCES = 100;

export const list: Command = {
  name: 'list',
  describe: 'List instances, with machine, state and status',
  options: [...COMMON, 'machine', 'state', 'status', 'prefix', 'after', 'limit', 'all', 'json'],
  optionTexts: {
    machine: { describe: 'Instances of this machine: NAME or NAME:VERSION', group: 'Which' },
    all: { describe: 'List archived instances, too', group: 'Which' },
  },
  examples: [
    ['$0 list --status failed', 'what has failed'],
    ['$0 list --machine order --state paid', 'reads the state file of every candidate'],
    ['$0 list --prefix order- --after order-0099', 'the next page'],
    ['$0 list --json | jq -r .instance', 'one JSON object a line'],
  ],
  run: (settings, _words, io) =>
    onEach(settings, io, async (opened, each) => {
      await requireVolume(opened);
      await listOn(opened, settings, each);
      return EXIT.done;
    }),
};

async function listOn({ client }: OpenedVolume, settings: Settings, io: Io): Promise<void> {
  const { json, all } = settings;
  const limit = settings.limit ?? (json ? Number.POSITIVE_INFINITY : DEFAULT_PAGE_INSTANCES);
  const lines: ListedInstance[] = [];
  let [count, last, hasMore] = [0, '', false];
  // One more than are printed: are there more?
  for await (const line of matching(client, settings, { archived: all, limit: limit + 1 }, io)) {
    if (io.stop.aborted) break;
    hasMore = count >= limit;
    if (hasMore) break;
    [count, last] = [count + 1, line.instance];
    if (!json) lines.push(line);
    else {
      io.print(JSON.stringify(line));
      await io.printed();
    }
  }
  io.draw?.('');
  if (!json) io.print(describe(lines));
  if (hasMore) io.say(`… and more: flockwork list --after ${last}`);
}

/** Without a status, and with `archived`, of both kinds: in the order of their names. */
async function* matching(
  client: ClientApi,
  { after, prefix, machine, state, status }: Settings,
  { archived, limit }: { readonly archived: boolean; readonly limit: number },
  { stop, draw }: Io,
): AsyncGenerator<ListedInstance, void> {
  const filter: InstanceFilter = {
    ...(prefix !== undefined && { prefix }),
    ...(machine !== undefined && { machine }),
    ...(state !== undefined && { state }),
    ...(status !== undefined && { status: status.replace('-', ' ') as InstanceStatus }),
  };
  const onPage = (name: string): void => draw?.(`reading state files: at ${name}`);
  const options = { after, limit, stop, onPage };
  const instances = instancesOf(client, filter, options);
  if (archived && (status === undefined || status === 'done')) {
    yield* merge(instances, instancesOf(client, { ...filter, status: 'archived' }, options));
  } else yield* instances;
}

/** Archived instances are done. */
async function* merge(
  instances: AsyncGenerator<ListedInstance, void>,
  archived: AsyncGenerator<ListedInstance, void>,
): AsyncGenerator<ListedInstance, void> {
  let [one, other] = [await instances.next(), await archived.next()];
  while (!other.done) {
    if (!one.done && compareCodePoints(one.value.instance, other.value.instance) < 0) {
      yield one.value;
      one = await instances.next();
    } else {
      yield { ...other.value, status: 'done' };
      other = await archived.next();
    }
  }
  if (!one.done) yield one.value;
  yield* instances;
}

function describe(lines: readonly ListedInstance[]): string {
  if (lines.length === 0) return 'no such instances';
  const now = realClock.now();
  const rows = lines.map(({ instance, machine, state, status, since }) => [
    instance,
    machine ?? '',
    state ?? '',
    status,
    since === undefined ? '' : formatDuration(Math.max(0, now - Date.parse(since))),
  ]);
  return table(['instance', 'machine', 'state', 'is', 'for'], rows);
}

const PAGE_INSTANCES = 1000;

interface ListOptions {
  readonly after?: string | undefined;
  /** Instances that are needed at most. */
  readonly limit?: number;
  /** Ends the list early. */
  readonly stop?: AbortSignal;
  /** Called after each page. */
  readonly onPage?: (last: string) => void;
}

/** Pages through the instances of an engine: in the order of their names, after `after`. */
export async function* instancesOf(
  client: ClientApi,
  filter: InstanceFilter,
  { after, limit = PAGE_INSTANCES, stop, onPage }: ListOptions = {},
): AsyncGenerator<ListedInstance, void> {
  for (let next = after; ;) {
    const page = {
      limit: Math.min(PAGE_INSTANCES, limit),
      ...(next !== undefined && { after: next }),
    };
    const listing = await client.list(filter, page);
    yield* listing.instances;
    next = listing.next;
    if (next === undefined || stop?.aborted === true) return;
    onPage?.(next);
  }
}
