/** Messages of a worker's log: of settled states one line each, of a long burst how many; recoveries; what a stop waits for. */
import { formatDuration } from '../machine/duration.ts';
import type { Recovery } from './operations.ts';
import type { Holding } from '../worker/plan.ts';
import type { Log } from '../worker/ports.ts';

/** Of more that are simply done only how many is said. */
const FEW = 16;

export function logSettled(log: Log, holdings: readonly Holding[]): void {
  const plain = holdings.filter(isPlain);
  const isBurst = plain.length > FEW;
  if (isBurst) log.info({ states: plain.length }, `${plain.length} states are done`);
  for (const holding of holdings) if (!isBurst || !isPlain(holding)) logOne(log, holding);
}

function isPlain({ step }: Holding): boolean {
  return step!.change.kind === 'commit' && !step!.lost;
}

function logOne(log: Log, { step, entry, work }: Holding): void {
  const { change, name, lost } = step!;
  const facts = { state: name, ...(entry && { duration: entry.duration }) };
  if (lost) log.warn(facts, `${name} was committed by another worker; this result is dropped`);
  else if (change.kind === 'commit') log.info(facts, `${name} is done`);
  else if (change.kind === 'fail') log.error(facts, `${name} ${failureText(change.record.reason)}`);
  else if (change.kind === 'retry') {
    const { attempt, ended, error, notBefore = ended } = change.attempt;
    const most = work?.task.activity.retry.maximumAttempts;
    const pause = formatDuration(Date.parse(notBefore) - Date.parse(ended));
    log.warn(
      { ...facts, notBefore },
      `${name}: attempt ${attempt} of ${most} failed, again in ${pause}: ${error?.message}`,
    );
  } else if (change.kind === 'wait') log.debug(facts, `${name} waits for an event`);
  else log.info(facts, `${name} is given back (${change.kind})`);
}

/** Of many attempts, it says so itself. */
const failureText = (reason: string): string =>
  reason.startsWith('failed ') ? reason : `failed: ${reason}`;

export function logLost(log: Log, session: string, discarded: readonly string[]): void {
  log.warn(
    { session, discarded },
    'the others took this worker for dead (stopped, or cut off, for longer than a lease); starting a new session',
  );
}

export function logRecovery(log: Log, recovery: Recovery): void {
  const { broken, dropped, finished, of, passedOver } = recovery;
  for (const entry of passedOver) {
    log.warn({ entry }, `passed over ${entry}: it is not what belongs there, or another user's`);
  }
  if (broken.length + dropped.length + finished.length === 0) return;
  const workers = [...new Set(of.map((session) => session.slice(0, session.lastIndexOf('.'))))];
  const done = [
    count(dropped.length, 'state is available again', 'states are available again'),
    count(finished.length, 'commit was finished', 'commits were finished'),
  ].filter((text) => text !== undefined);
  const what = done.length === 0 ? 'it held no state' : done.join(', ');
  log.warn({ ...recovery }, `finished for workers that are gone, ${workers.join(', ')}: ${what}`);
}

function count(number: number, one: string, several: string): string | undefined {
  if (number === 0) return undefined;
  return number === 1 ? `1 ${one}` : `${number} ${several}`;
}

/** `running`: ticks. `drain`: milliseconds. */
export function stoppingMessage(running: number, drain: number): string {
  if (running === 0) return 'stopping: no tick runs, claiming nothing more';
  const ticks =
    running === 1 ? '1 tick runs, waiting for it' : `${running} ticks run, waiting for them`;
  return `stopping: ${ticks} up to ${formatDuration(drain).replace('.0 s', ' s')}; Ctrl-C again ends them`;
}

/** Of failed states that are available again by themselves. */
export function logBack(log: Log, names: readonly string[]): void {
  if (names.length > FEW)
    log.info({ states: names.length }, `${names.length} failed states are available again`);
  else
    for (const name of names)
      log.info({ state: name }, `${name} is available again: what it failed for has changed`);
}
