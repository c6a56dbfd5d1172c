/** Formats the report of `status` for people. */
import { formatDuration } from '../machine/duration.ts';
import { describeBlocked } from './describe-join.ts';
import type { HeldLine, StatusReport, WaitingLine, WorkerLine } from './report.ts';
import { oneLine } from './shown.ts';
import { bar, flagTable, paint, table } from './tables.ts';

const MAX_LISTED_LINES = 20;
/** Workers that are gone are listed for so long after their last step. */
const GONE_LISTED_MS = 3_600_000;
const MAX_GONE_WORKERS = 8;

export interface StatusView {
  /** List all workers that are gone. */
  readonly all: boolean;
  /** Count of available states that were looked at for the oldest one. */
  readonly looks: number;
  /** Wall clock, ms. */
  readonly now: number;
}

export function statusText(report: StatusReport, view: StatusView): string {
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
      `foreign ${flags(foreign.length)} in workers/ (${listed(foreign)}): made by the original program; ` +
        'if it does not run any more, flockwork reset --workers removes them',
    );
  }
  const claims = held.filter(({ worker }) => worker === FOREIGN);
  if (claims.length > 0) {
    lines.push(
      `foreign ${flags(claims.length)} in in_progress/ (${listed(claims.map(({ state }) => state))}): ` +
        'no worker ends while they are there; if the original program does not run any more, flockwork reset --in-progress removes them',
    );
  }
  return lines.map((line) => paint('yellow', line)).join('\n');
}

const FOREIGN = '(foreign)';
const flags = (count: number): string => (count === 1 ? 'flag' : 'flags');

function listed(names: readonly string[]): string {
  const some = names.slice(0, 3).map(oneLine).join(', ');
  return names.length > 3 ? `${some} and ${names.length - 3} more` : some;
}

function problemsOf({ problems }: StatusReport): string {
  if (problems.length === 0) return '';
  const lines = problems.slice(0, MAX_LISTED_LINES).map((problem) => `  ${paint('red', problem)}`);
  const more = problems.length - MAX_LISTED_LINES;
  if (more > 0) lines.push(`  … and ${more} more: cat events/*.problem`);
  return ['files in events/ that are not events:', ...lines].join('\n');
}

function timing({ phase, rate, eta, oldest, counts }: StatusReport, looks: number): string {
  const lines: string[] = [];
  if (phase === undefined) lines.push('no worker has been here yet');
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
      listed(one.holding),
    ]);
  const more = hidden.size > 0 ? `${hidden.size} workers that have gone: status --all` : '';
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
    left > 0 ? `${event} in ${formatDuration(left)}` : `${event} is on its way`,
  );
  return [...branches, `an event: ${coming.join(', ')}`];
}
