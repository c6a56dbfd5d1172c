/** Judging what was claimed, with a look at what the volume keeps where its machine is not known. */
import type { Intake, Session } from '../volume/operations.ts';
import { judge, type Holding, type Scene, type Verdict } from './plan.ts';
import type { Library } from './library.ts';

/** No content of a file, and no errno. */
const UNKNOWN = '\0 unknown machine';

interface Means {
  readonly library: Library;
  readonly session: Session;
  /** As of now: of what the library has by then. */
  readonly scene: () => Scene;
  /** Listings show what was done a moment ago. Where they do not, a machine may take a while to be seen (I8). */
  readonly freshListings: boolean;
}

export async function appraise(
  { name, suspicion }: Holding,
  intake: Intake,
  { library, session, scene, freshListings }: Means,
): Promise<Verdict> {
  const { at, patience } = scene();
  const verdict = judge(name, intake, suspicion, scene());
  // What the volume keeps are machines.
  if (verdict.kind !== 'unknown' || verdict.state !== undefined) return verdict;
  const missing = await library.learn(verdict.machine, session);
  if (missing === undefined) return judge(name, intake, suspicion, scene());
  const since = suspicion?.content === UNKNOWN ? suspicion.since : at;
  return freshListings || at - since >= patience
    ? { ...verdict, missing }
    : { kind: 'wait', suspicion: { content: UNKNOWN, since } };
}
