/** `flockwork status`: reads what is on the volume, and prints its progress, its workers, what waits for what, and failures. */
import { realClock } from '../../api/node-ports.ts';
import { formatDuration } from '../../machine/duration.ts';
import { parseStateName } from '../../machine/name.ts';
import { JournalCounter } from '../../volume/history.ts';
import {
  doneWithout,
  placeOf,
  readOverview,
  type Overview,
  type InstancePlace,
} from '../../volume/overview.ts';
import { listPending } from '../../volume/inbox.ts';
import { newSilenceMemory, silencesOf, type SilenceMemory } from '../../volume/vitals.ts';
import { COMMON, EXIT, type Command, type Io } from '../command.ts';
import type { Settings } from '../options.ts';
import {
  buildReport,
  FOREIGN,
  type StatusReport,
  type WaitingLine,
  type HeldLine,
  type WorkerLine,
} from '../status-report.ts';
import { bar, flagTable, namesText, paint, table } from '../tables.ts';
import { oneLine } from '../terminal.ts';
import { directoriesOf, onEach, requireVolume, type OpenedVolume } from '../volumes.ts';
import { comingEvents, describeBlocked, openBranches } from '../waits.ts';

const LIVE_INTERVAL_MS = 500;

export const status: Command = {
  name: 'status',
  describe: 'Print progress, workers, what waits for what, and reasons of failures',
  options: [...COMMON, 'watch', 'all', 'json'],
  optionTexts: {
    all: { describe: 'List all workers that are gone, not only the last ones', group: 'Output' },
    watch: { describe: 'Repeat until everything is done', group: 'Output' },
  },
  exits:
    '0 all done, 1 some failed, 2 wrong usage or unusable volume, 3 incomplete, 130 stopped by Ctrl-C.',
  examples: [
    ['$0 status --dir /mnt/states', 'once'],
    ['$0 status --watch', 'a live view, until everything is done or Ctrl-C'],
    ['$0 status --all', 'with all workers that are gone'],
    ['$0 status --json | jq .counts', 'for programs; with --watch, one line for each look'],
  ],
  run: async (settings, _words, io) => {
    const screen = settings.watch && !settings.json ? io.screen : undefined;
    const memories = new Map<string, LookMemory>();
    const began = realClock.now();
    for (;;) {
      const texts: string[] = [];
      const gather = { ...io, print: (text: string) => void texts.push(text) };
      const ended = await lookAtEach(settings, gather, memories);
      if (screen === undefined) io.print(texts.join('\n'));
      else screen([heading(settings, began), ...texts].join('\n\n'));
      if (!settings.watch || ended !== EXIT.incomplete || io.stop.aborted) return ended;
      await realClock.sleep(LIVE_INTERVAL_MS, io.stop);
    }
  },
};

function lookAtEach(
  settings: Settings,
  io: Io,
  memories: Map<string, LookMemory>,
): Promise<number> {
  return onEach(settings, io, async (opened, { print }) => {
    await requireVolume(opened);
    const { root } = opened.layout;
    const memory = memories.get(root) ?? newMemory();
    memories.set(root, memory);
    const { overview, report } = await look(opened, memory, io.stop);
    const looks = overview.census.names.available.length;
    const view = { all: settings.all, looks, now: realClock.now() };
    print(settings.json ? JSON.stringify(report) : statusText(report, view));
    return statusOf(report);
  });
}

function statusOf({ counts }: StatusReport): number {
  if (counts.available + counts.inProgress + counts.events > 0) return EXIT.incomplete;
  return counts.failed > 0 ? EXIT.failed : EXIT.done;
}

function heading(settings: Settings, began: number): string {
  const now = realClock.now();
  const clock = new Date(now).toTimeString().slice(0, 8);
  const watched = formatDuration(now - began);
  return paint('dim', `${directoriesOf(settings).join(' ')}  ${clock}  watched for ${watched}`);
}

/** Waiting states, and events of each, that are explained. */
const MAX_EXPLAINED_WAITS = 20;

/** Kept between two looks of a live view. */
interface LookMemory {
  readonly counter: JournalCounter;
  readonly silences: SilenceMemory;
}

function newMemory(): LookMemory {
  return { counter: new JournalCounter(), silences: newSilenceMemory() };
}

/** Reads, besides the overview: places of instances, silences of workers, and reasons for waiting. */
async function look(
  opened: OpenedVolume,
  memory: LookMemory,
  stop: AbortSignal,
): Promise<{ readonly overview: Overview; readonly report: StatusReport }> {
  const { files, layout, volume, isNetwork } = opened;
  const ports = { files, layout, clock: realClock, ownClock: !isNetwork, leaseMs: volume?.lease };
  const overview = await readOverview(files, layout, memory.counter);
  const places = await readPlaces(opened, overview);
  const unrecorded = await placesOf(opened, await doneWithout(files, layout, overview));
  const report = buildReport({
    overview,
    phases: volume?.phases,
    lease: volume?.lease,
    silences: await silencesOf(ports, overview.signs, memory.silences, stop),
    now: realClock.now(),
    places,
    unrecorded: [...unrecorded.values()].map(({ machine }) => machine),
    waits: await readWaits(opened, overview, places),
    oldest: await oldestOf(opened, overview),
  });
  return { overview, report };
}

/** Of states that are not done, except of those whose claim names the machine. */
function readPlaces(
  opened: OpenedVolume,
  { census, inProgress, failed }: Overview,
): Promise<Map<string, InstancePlace>> {
  const unread = inProgress.flatMap(({ state, held }) =>
    held?.machine === undefined ? [state] : [],
  );
  const { available, waiting } = census.names;
  return placesOf(opened, [
    ...unread,
    ...available,
    ...waiting,
    ...failed.map(({ state }) => state),
  ]);
}

/** Reads their state files; those that cannot be read are left out. */
async function placesOf(
  { files, layout }: OpenedVolume,
  names: readonly string[],
): Promise<Map<string, InstancePlace>> {
  const places = new Map<string, InstancePlace>();
  for (const name of names) {
    const place = await placeOf(files, layout, name).catch(() => undefined);
    if (place !== undefined) places.set(name, place);
  }
  return places;
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
    const names = (pending.get(instance) ?? []).slice(0, MAX_EXPLAINED_WAITS);
    const events = await comingEvents(files, layout, names, place.file.since);
    const blockedBy = await openBranches(files, layout, place.file.join);
    lines.push({
      name,
      machine: place.machine,
      state: place.state,
      blockedBy,
      events: events.map(({ event, id, time, in: left }) => ({
        event: event ?? id,
        due: time,
        in: left,
      })),
    });
  }
  return lines;
}

const MAX_LISTED_LINES = 20;
/** Workers that are gone are listed for so long after their last step. */
const GONE_LISTED_MS = 3_600_000;
const MAX_GONE_WORKERS = 8;
/** On one line. */
const MAX_NAMES = 3;

interface StatusView {
  /** List all workers that are gone. */
  readonly all: boolean;
  /** Count of available states that were looked at for the oldest one. */
  readonly looks: number;
  /** Wall clock, ms. */
  readonly now: number;
}

function statusText(report: StatusReport, view: StatusView): string {
  const { counts } = report;
  const settled = counts.done + counts.failed;
  const whole = settled + counts.available + counts.inProgress;
  const parts = [
    `${bar(settled, whole)} ${settled} of ${whole}${report.paused ? paint('yellow', '  paused') : ''}`,
    flagTable(report.counts, report.isArchiveSampled, report.failed),
    warnings(report),
    problemsOf(report),
    timing(report, view.looks),
    machinesTable(report),
    workersTable(report, view),
    heldTable(report),
    waitsTable(report),
  ];
  return parts.filter((part) => part !== '').join('\n\n');
}

/** What blocks the volume, and what to do. */
function warnings({ isAbandoned, phase, paused, workers, held }: StatusReport): string {
  const lines: string[] = [];
  if (paused) lines.push('paused: no worker claims anything; flockwork resume continues');
  if (isAbandoned && phase !== undefined) {
    const over = held.length > 0 ? ' to take over' : '';
    lines.push(`no worker is alive${over}: start a worker`);
  }
  const foreign = workers.filter(({ state }) => state === 'foreign').map(({ worker }) => worker);
  if (foreign.length > 0) {
    lines.push(
      `foreign ${flags(foreign.length)} in workers/ (${namesText(foreign, MAX_NAMES)}): made by the original program; ` +
        'if it does not run any more, flockwork reset --workers removes them',
    );
  }
  const claims = held.filter(({ worker }) => worker === FOREIGN);
  if (claims.length > 0) {
    lines.push(
      `foreign ${flags(claims.length)} in in_progress/ (${namesText(
        claims.map(({ state }) => state),
        MAX_NAMES,
      )}): ` +
        'no worker ends while they are there; if the original program does not run any more, flockwork reset --in-progress removes them',
    );
  }
  return lines.map((line) => paint('yellow', line)).join('\n');
}

const flags = (count: number): string => (count === 1 ? 'flag' : 'flags');

function problemsOf({ problems }: StatusReport): string {
  if (problems.length === 0) return '';
  const lines = problems.slice(0, MAX_LISTED_LINES).map((problem) => `  ${paint('red', problem)}`);
  const more = problems.length - MAX_LISTED_LINES;
  if (more > 0) lines.push(`  … and ${more} more: cat events/*.problem`);
  return ['files in events/ that are not events:', ...lines].join('\n');
}

function timing({ phase, rate, eta, oldest, counts }: StatusReport, looks: number): string {
  const lines: string[] = [];
  if (phase === undefined) lines.push('no worker has used this volume yet');
  if (rate > 0) {
    const left = eta === undefined ? '' : `, about ${formatDuration(eta)} for what is known now`;
    lines.push(`rate: ${rate.toFixed(1)} steps/s${left}`);
  }
  if (oldest !== undefined) {
    const of = looks < counts.available ? ` of ${looks} looked at` : '';
    lines.push(
      `oldest available${of}: ${oneLine(oldest.state)}, for ${formatDuration(oldest.waiting)}`,
    );
  }
  return lines.join('\n');
}

function machinesTable({ machines, areMachinesSampled }: StatusReport): string {
  const rows = Object.entries(machines).map(([name, counts]) => [
    name,
    ...[counts.available, counts.inProgress, counts.waiting, counts.done, counts.failed].map(
      String,
    ),
  ]);
  if (rows.length === 0) return '';
  const note = areMachinesSampled
    ? '\n(about: from some of the state files, and the ends of the journals)'
    : '';
  const head = ['machine', 'available', 'in progress', 'waiting', 'done', 'failed'];
  return table(head, rows) + note;
}

function workersTable({ workers }: StatusReport, { all, now }: StatusView): string {
  const isRecent = ({ last }: WorkerLine): boolean =>
    last !== undefined && now - Date.parse(last) < GONE_LISTED_MS;
  const gone = workers.filter(({ state, holding }) => state === 'gone' && holding.length === 0);
  const recent = gone
    .filter(isRecent)
    .sort((a, b) => (a.last! < b.last! ? 1 : -1))
    .slice(0, MAX_GONE_WORKERS);
  const hidden = new Set(all ? [] : gone.filter((one) => !recent.includes(one)));
  const rows = workers
    .filter((one) => !hidden.has(one))
    .map((one) => [
      one.worker,
      stateOf(one),
      one.isCut ? `${one.done} or more` : String(one.done),
      one.isCut ? `${one.failed} or more` : String(one.failed),
      namesText(one.holding, MAX_NAMES),
    ]);
  const more =
    hidden.size > 0 ? `${hidden.size} workers that are gone: flockwork status --all` : '';
  if (rows.length === 0) return more;
  const text = table(['worker', 'is', 'done', 'failed', 'holds'], rows);
  return more === '' ? text : `${text}\n… and ${more}`;
}

function stateOf({ state, silent }: WorkerLine): string {
  if (silent === undefined || !['silent', 'dead'].includes(state)) return state;
  const since = `silent for ${formatDuration(silent)}`;
  return state === 'dead' ? `dead, ${since}` : since;
}

function heldTable({ held }: StatusReport): string {
  if (held.length === 0) return '';
  const longest = [...held].sort((a, b) => (b.held ?? Infinity) - (a.held ?? Infinity));
  const rows = longest
    .slice(0, MAX_LISTED_LINES)
    .map((one) => [
      one.state,
      one.worker,
      stageOf(one),
      one.attempt === undefined ? '' : String(one.attempt),
      one.held === undefined ? '' : formatDuration(one.held),
    ]);
  const more =
    held.length > MAX_LISTED_LINES ? `\n… and ${held.length - MAX_LISTED_LINES} more` : '';
  return table(['held', 'by', 'stage', 'attempt', 'for'], rows) + more;
}

/** The stage that a dead worker published is not the present one. */
function stageOf({ stage, worker, isAlive }: HeldLine): string {
  if (worker === FOREIGN) return stage;
  return isAlive ? stage : `was ${stage}`;
}

function waitsTable({ waiting, waits, counts }: StatusReport): string {
  if (waiting.length === 0) return '';
  const counted = waiting.map(({ machine, state, count }) => [machine, state, String(count)]);
  const parts = [
    table(['machine', 'waits in state', 'instances'], counted.slice(0, MAX_LISTED_LINES)),
  ];
  const rows = waits.flatMap((line) => {
    const [first = 'an event', ...others] = reasonsOf(line);
    return [[line.name, line.state, first], ...others.map((other) => ['', '', other])];
  });
  const more = counts.waiting - waits.length;
  if (rows.length > 0) {
    const note = more > 0 ? `\n… and ${more} more: flockwork list --status waiting` : '';
    parts.push(table(['waits', 'in state', 'for'], rows) + note);
  }
  return parts.join('\n\n');
}

function reasonsOf({ blockedBy, events }: WaitingLine): string[] {
  const branches = describeBlocked(blockedBy).map((line) => line.replace('waits for ', ''));
  if (events.length === 0) return branches;
  const coming = events.map(({ event, in: left }) =>
    left > 0 ? `${event} in ${formatDuration(left)}` : `${event} is pending`,
  );
  return [...branches, `an event: ${coming.join(', ')}`];
}
