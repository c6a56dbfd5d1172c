/** The whole check, for a number of workers, sessions and reapers, and the faults that may happen. */
import { Numbering, reaperOf, workerOf, type Actor, type Numbers } from './actors.ts';
import { extract, type Automaton, type Program } from './automaton.ts';
import { attempt, reap } from './programs.ts';
import { repliesFor } from './replies.ts';
import { recordText, successorText, tokenText, type Tick } from './scenario.ts';
import type { Scope } from './scope.ts';
import { Search, type Found } from './search.ts';
import { Symmetry } from './symmetry.ts';
import { Volumes } from './volumes.ts';

export interface Explored extends Found {
  /** Of the project's code, to find the automata. */
  readonly runs: number;
}

export async function explore(scope: Scope): Promise<Explored> {
  const numbers: Numbers = { ops: new Numbering(), replies: new Numbering() };
  const names = Array.from({ length: scope.workers }, (_, index) => `w${index + 1}`);
  const sessionsOf = (name: string): string[] =>
    Array.from({ length: scope.attempts }, (_, index) => `${name}.${index + 1}`);
  const sessions = names.flatMap(sessionsOf);
  const ticks = sessions.flatMap((session) =>
    Array.from({ length: scope.ticks }, (_, index): Tick => ({ session, number: index + 1 })),
  );
  let runs = 0;
  const learn = async (program: Program): Promise<Automaton> => {
    const automaton = await extract(program, repliesFor(ticks, scope));
    runs += automaton.runs;
    return automaton;
  };
  const actors: Actor[] = [];
  for (const name of names) {
    const automata: Automaton[] = [];
    for (const session of sessionsOf(name)) {
      automata.push(await learn(attempt(session, scope.ticks, scope.follow)));
    }
    actors.push(workerOf(name, automata, numbers));
  }
  const rounds = new Map<string, Automaton>();
  for (const session of sessions) rounds.set(session, await learn(reap(session)));
  for (let index = 0; index < scope.reapers; index += 1) {
    actors.push(reaperOf(`reaper ${index + 1}`, rounds, numbers));
  }
  const volumes = new Volumes(numbers, ticks, scope.faults);
  const symmetry = new Symmetry(actors, names.length, numbers, volumes);
  const found = await new Search(actors, numbers, volumes, symmetry).run();
  const shorten = shortener(ticks);
  const violation = found.violation && {
    problem: found.violation.problem,
    trace: found.violation.trace.map(shorten),
  };
  return { ...found, runs, violation };
}

/** Long contents by whose they are. */
function shortener(ticks: readonly Tick[]): (text: string) => string {
  const names = ticks.flatMap((tick) => [
    [tokenText(tick.session), `<token of ${tick.session}>`] as const,
    [recordText(tick), `<record ${tick.number} of ${tick.session}>`] as const,
    [successorText(tick), `<successor ${tick.number} of ${tick.session}>`] as const,
  ]);
  return (text) => names.reduce((said, [content, short]) => said.replaceAll(content, short), text);
}
