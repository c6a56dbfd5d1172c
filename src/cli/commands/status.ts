/** `flockwork status`: how far the volume is, and who does what. */
import { formatDuration } from '../../machine/duration.ts';
import { machineOf, readOverview } from '../../volume/overview.ts';
import { COMMON, EXIT, type Command } from '../command.ts';
import { realClock } from '../real.ts';
import { buildReport, type StatusReport } from '../report.ts';
import { bar, flagTable, paint, table } from '../tables.ts';
import { onEach, type OpenedVolume } from '../volume.ts';
import type { Overview } from '../../volume/overview.ts';

const LISTED = 20;
const LIVE_INTERVAL = 500;
const CLEAR_SCREEN = '\u001b[2J\u001b[H';
const PHASE_NAMES: Readonly<Record<string, string>> = {
  assignment: 'Worker Assignment',
  commitment: 'Worker Commitment',
  update: 'Update System',
  buffer: 'buffer',
};

export const status: Command = {
  name: 'status',
  describe: 'How far the volume is, who does what, and why what failed has failed',
  options: [...COMMON, 'watch', 'json'],
  optionTexts: {
    watch: { describe: 'Show it again and again, until everything is done', group: 'Output' },
  },
  examples: [
    ['$0 status --dir /mnt/states', 'once'],
    ['$0 status --watch', 'a live view, until everything is done or Ctrl-C'],
    ['$0 status --json | jq .counts', 'for programs; with --watch, one line each time'],
  ],
  run: async (settings, _words, io) => {
    const isLive = settings.watch && io.interactive && !settings.json;
    for (;;) {
      const texts: string[] = [];
      const gather = { ...io, print: (text: string) => void texts.push(text) };
      const ended = await onEach(settings, gather, async (opened, { print }) => {
        const { overview, report } = await look(opened);
        print(settings.json ? JSON.stringify(report) : describe(overview, report));
        return statusOf(report);
      });
      io.print((isLive ? CLEAR_SCREEN : '') + texts.join('\n'));
      if (!settings.watch || ended !== EXIT.incomplete || io.stop.aborted) return ended;
      await realClock.sleep(LIVE_INTERVAL, io.stop);
    }
  },
};

function statusOf({ counts }: StatusReport): number {
  if (counts.available + counts.inProgress + counts.events > 0) return EXIT.incomplete;
  return counts.failed > 0 ? EXIT.failed : EXIT.done;
}

async function look({
  files,
  layout,
  volume,
}: OpenedVolume): Promise<{ overview: Overview; report: StatusReport }> {
  const overview = await readOverview(files, layout);
  // Who holds a state says what machine it is; others are read.
  const unread = overview.inProgress.flatMap(({ state, held }) =>
    held?.machine === undefined ? [state] : [],
  );
  const unsettled = [
    ...unread,
    ...overview.census.names.available,
    ...overview.failed.map(({ state }) => state),
  ];
  const machines = new Map<string, string>();
  for (const name of unsettled) {
    const machine = await machineOf(files, layout, name).catch(() => undefined);
    if (machine !== undefined) machines.set(name, machine);
  }
  let oldest: { state: string; since: number } | undefined;
  for (const state of overview.census.names.available) {
    const since = (await files.stat(layout.state(state)))?.mtime;
    if (since !== undefined && since < (oldest?.since ?? Infinity)) oldest = { state, since };
  }
  const report = buildReport({
    overview,
    phases: volume?.phases,
    now: realClock.now(),
    machineOf: machines,
    oldest,
  });
  return { overview, report };
}

function describe(overview: Overview, report: StatusReport): string {
  const { counts } = report;
  const settled = counts.done + counts.failed;
  const whole = settled + counts.available + counts.inProgress;
  const parts = [
    `${bar(settled, whole)} ${settled} of ${whole}${report.paused ? paint('yellow', '  paused') : ''}`,
    flagTable(report.counts, report.isArchiveSampled, report.failed),
    problemsOf(report),
    timing(report, overview.census.names.available.length),
    machinesTable(report),
    workersTable(report),
    heldTable(report),
  ];
  return parts.filter((part) => part !== '').join('\n\n');
}

function problemsOf({ problems }: StatusReport): string {
  if (problems.length === 0) return '';
  const lines = problems.slice(0, LISTED).map((problem) => `  ${paint('red', problem)}`);
  const more = problems.length - LISTED;
  if (more > 0) lines.push(`  … and ${more} more: cat events/*.problem`);
  return ['no events, in events/:', ...lines].join('\n');
}

function timing({ phase, rate, eta, oldest, counts }: StatusReport, looks: number): string {
  const lines: string[] = [];
  if (phase === undefined) lines.push('no worker has been here yet');
  else lines.push(`phase: ${PHASE_NAMES[phase.name]}, ${formatDuration(phase.left)} left`);
  if (rate > 0) {
    const left = eta === undefined ? '' : `, about ${formatDuration(eta)} for what is known now`;
    lines.push(`rate: ${rate.toFixed(1)} steps/s${left}`);
  }
  if (oldest !== undefined) {
    const of = looks < counts.available ? ` of ${looks} looked at` : '';
    lines.push(`oldest waiting${of}: ${oldest.state}, for ${formatDuration(oldest.waiting)}`);
  }
  return lines.join('\n');
}

function machinesTable({ machines, areMachinesSampled }: StatusReport): string {
  const rows = Object.entries(machines).map(([name, counts]) => [
    name,
    ...[counts.available, counts.inProgress, counts.done, counts.failed].map(String),
  ]);
  if (rows.length === 0) return '';
  const note = areMachinesSampled
    ? '\n(about: from some of the state files, and the ends of the journals)'
    : '';
  return table(['machine', 'available', 'in progress', 'done', 'failed'], rows) + note;
}

function workersTable({ workers }: StatusReport): string {
  if (workers.length === 0) return '';
  const rows = workers.map(({ worker, state, done, failed, isCut, holding }) => [
    worker,
    state,
    isCut ? `${done} or more` : String(done),
    isCut ? `${failed} or more` : String(failed),
    holding.slice(0, 3).join(' ') + (holding.length > 3 ? ` and ${holding.length - 3} more` : ''),
  ]);
  return table(['worker', 'is', 'done', 'failed', 'holds'], rows);
}

function heldTable({ held }: StatusReport): string {
  if (held.length === 0) return '';
  const longest = [...held].sort((a, b) => (b.held ?? Infinity) - (a.held ?? Infinity));
  const rows = longest
    .slice(0, LISTED)
    .map(({ state, worker, stage, attempt, held: time }) => [
      state,
      worker,
      stage,
      attempt === undefined ? '' : String(attempt),
      time === undefined ? '' : formatDuration(time),
    ]);
  const more = held.length > LISTED ? `\n… and ${held.length - LISTED} more` : '';
  return table(['held', 'by', 'stage', 'attempt', 'for'], rows) + more;
}
