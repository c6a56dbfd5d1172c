/** Mutants of the protocol, each of which the check must find. */
import type { Mutant } from '../../mutants/hook.ts';

export interface Wrong extends Mutant {
  readonly what: string;
  /** Enough to show the problem. */
  readonly workers: number;
  /** The problem that the check must report. */
  readonly problem: RegExp;
}

const LOST = /^if all die: the successor is lost$/;

export const MUTANTS: readonly Wrong[] = [
  {
    what: 'no sweep',
    workers: 1,
    file: 'src/volume/recovery.ts',
    find: 'await this.#sweep(session, isMyPart, guard, report.finished);',
    replace: '',
    // Staged files stay for ever, also where another session has committed the state.
    problem: /^if all die: .*\/staging\/.* is left$/,
  },
  {
    what: 'a sweep that acts on absence',
    workers: 1,
    file: 'src/volume/recovery.ts',
    find: "return (await canNeverCommit(files, layout, name, staged ?? '')) ? 'over' : 'unseen';",
    replace: "return 'over';",
    problem: LOST,
  },
  {
    what: 'traces that are removed with a record among them',
    workers: 1,
    file: 'src/volume/staging.ts',
    find: 'if (names.some(holdsRecords)) return false;',
    replace: '',
    problem: LOST,
  },
  {
    what: 'claims that are never dropped',
    workers: 1,
    file: 'src/volume/recovery.ts',
    find: 'await this.#dropClaims(session, isMyPart, guard, report.dropped);',
    replace: '',
    problem: /^if all die: the state is neither done nor to be had/,
  },
  {
    what: 'rename instead of link',
    workers: 1,
    file: 'src/volume/atomic-files.ts',
    find: 'await files.link(existing, name);',
    replace: 'await files.rename(existing, name);',
    problem: LOST,
  },
  {
    what: 'a link that replaces what is there',
    workers: 1,
    file: 'src/volume/atomic-files.ts',
    find: 'await files.link(existing, name);',
    replace: 'await remove(files, name); await files.link(existing, name);',
    problem: /^\/v\/done\/x\.state was replaced or removed$/,
  },
  {
    what: 'an error of link taken for another’s',
    workers: 1,
    file: 'src/volume/atomic-files.ts',
    find: "return isOurs(there) ? 'ours' : 'taken';",
    replace: "return 'taken';",
    problem: /^if all die: /,
  },
  {
    what: 'an error of link taken for a lost reply',
    workers: 2,
    file: 'src/volume/atomic-files.ts',
    find: "return isOurs(there) ? 'ours' : 'taken';",
    replace: "return 'ours';",
    problem: /^the successor is not that of the committing record$/,
  },
  {
    what: 'an error of link, nothing to be seen: taken for another’s',
    workers: 1,
    file: 'src/volume/atomic-files.ts',
    find: "if (there === undefined) throw error;\n    return isOurs(there) ? 'ours' : 'taken';",
    replace: "return isOurs(there) ? 'ours' : 'taken';",
    problem: LOST,
  },
  {
    what: 'publishing before the commit',
    workers: 1,
    file: 'src/volume/commit.ts',
    find: "await link(context, await assign(context, at(steps, 'staged'), guard), guard);",
    replace:
      "await each(at(steps, 'staged'), async (step) => {\n" +
      '    const { name, content } = recordOf(step)!.next!;\n' +
      '    await context.files.create(context.layout.state(name), content);\n' +
      '  });\n' +
      "  await link(context, await assign(context, at(steps, 'staged'), guard), guard);",
    problem: /^a successor without a commit$/,
  },
  {
    what: 'unstaging before publishing',
    workers: 1,
    file: 'src/volume/commit.ts',
    find: "await publishSuccessors(context, at(steps, 'committed'), guard);",
    replace:
      "for (const { name } of at(steps, 'committed')) await remove(context.files, context.staging(name)).catch(() => undefined);\n" +
      "  await publishSuccessors(context, at(steps, 'committed'), guard);",
    problem: LOST,
  },
];
