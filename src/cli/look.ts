/** Reads what `status` reports of a volume besides the overview: places, silences, and reasons for waiting. */
import { parseStateName } from '../machine/name.ts';
import {
  doneWithout,
  placeOf,
  readOverview,
  type Overview,
  type InstancePlace,
} from '../volume/overview.ts';
import { JournalCounter } from '../volume/journal-counts.ts';
import { listPending, readPending, stillCounts } from '../volume/pending.ts';
import { newSilenceMemory, silencesOf, type SilenceMemory } from '../volume/vitals.ts';
import { openBranches } from './describe-join.ts';
import { realClock } from '../api/node-ports.ts';
import { buildReport, type StatusReport, type WaitingLine } from './report.ts';
import type { OpenedVolume } from './volume.ts';

/** Waiting states, and events of each, that are explained. */
const MAX_EXPLAINED_WAITS = 20;

/** Kept between two looks of a live view. */
export interface LookMemory {
  readonly counter: JournalCounter;
  readonly silences: SilenceMemory;
}

export function newMemory(): LookMemory {
  return { counter: new JournalCounter(), silences: newSilenceMemory() };
}

export async function look(
  opened: OpenedVolume,
  memory: LookMemory,
  stop: AbortSignal,
): Promise<{ readonly overview: Overview; readonly report: StatusReport }> {
  const { files, layout, volume, isNetwork } = opened;
  const ports = { files, layout, clock: realClock, ownClock: !isNetwork, leaseMs: volume?.lease };
  const overview = await readOverview(files, layout, memory.counter);
  const places = await readPlaces(opened, overview);
  const report = buildReport({
    overview,
    phases: volume?.phases,
    lease: volume?.lease,
    silences: await silencesOf(ports, overview.signs, memory.silences, stop),
    now: realClock.now(),
    places,
    unrecorded: await machinesOf(opened, await doneWithout(files, layout, overview)),
    waits: await readWaits(opened, overview, places),
    oldest: await oldestOf(opened, overview),
  });
  return { overview, report };
}

/** Reads state files, except of states whose claim names the machine. */
async function readPlaces(
  { files, layout }: OpenedVolume,
  { census, inProgress, failed }: Overview,
): Promise<Map<string, InstancePlace>> {
  const unread = inProgress.flatMap(({ state, held }) =>
    held?.machine === undefined ? [state] : [],
  );
  const { available, waiting } = census.names;
  const places = new Map<string, InstancePlace>();
  for (const name of [...unread, ...available, ...waiting, ...failed.map(({ state }) => state)]) {
    const place = await placeOf(files, layout, name).catch(() => undefined);
    if (place !== undefined) places.set(name, place);
  }
  return places;
}

async function machinesOf(
  { files, layout }: OpenedVolume,
  names: readonly string[],
): Promise<string[]> {
  const machines: string[] = [];
  for (const name of names) {
    const place = await placeOf(files, layout, name).catch(() => undefined);
    if (place !== undefined) machines.push(place.machine);
  }
  return machines;
}

async function oldestOf(
  { files, layout }: OpenedVolume,
  { census }: Overview,
): Promise<{ readonly state: string; readonly since: number } | undefined> {
  let oldest: { state: string; since: number } | undefined;
  for (const state of census.names.available) {
    const since = (await files.stat(layout.state(state)))?.mtime;
    if (since !== undefined && since < (oldest?.since ?? Infinity)) oldest = { state, since };
  }
  return oldest;
}

async function readWaits(
  { files, layout }: OpenedVolume,
  { census }: Overview,
  places: ReadonlyMap<string, InstancePlace>,
): Promise<WaitingLine[]> {
  const { waiting } = census.names;
  if (waiting.length === 0) return [];
  const pending = await listPending(files, layout);
  const known = waiting.flatMap((name) => {
    const place = places.get(name);
    return place === undefined ? [] : [{ name, place, instance: parseStateName(name)!.instance }];
  });
  const rank = ({ place, instance }: (typeof known)[number]): number =>
    place.file.join !== undefined ? 0 : pending.has(instance) ? 1 : 2;
  const lines: WaitingLine[] = [];
  for (const { name, place, instance } of known
    .sort((a, b) => rank(a) - rank(b))
    .slice(0, MAX_EXPLAINED_WAITS)) {
    const events: WaitingLine['events'][number][] = [];
    for (const one of (pending.get(instance) ?? []).slice(0, MAX_EXPLAINED_WAITS)) {
      const event = await readPending(files, layout, one);
      if (event === undefined || !stillCounts(event, place.file.since)) continue;
      const due = Math.max(0, Math.round(Date.parse(event.time) - realClock.now()));
      events.push({
        event: event.event ?? event.id,
        due: event.time,
        in: event.isDelayed ? due : 0,
      });
    }
    const blockedBy = await openBranches(files, layout, place.file.join);
    lines.push({ name, machine: place.machine, state: place.state, blockedBy, events });
  }
  return lines;
}
