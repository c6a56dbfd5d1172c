/** Opinions on what the protocol rests on: exclusive names, and files that stay as they were written. Pure. */
import { counted, type Judge } from './opinion.ts';

/** A token is a session's file, a claim and a flag or two at the same time. */
const MIN_LINKS = 8;

/** Under so many rounds a race proves little: of what networks get wrong, they get one in some hundred wrong. */
const MIN_RACE_ROUNDS = { local: 100, network: 500 };
/** Of them at the same time. */
const MIN_CONTESTED_ROUNDS = 20;

const WRITE_ADVICE: Readonly<Record<string, string>> = {
  EROFS: 'It is read-only: mount it read-write.',
  EACCES: 'This user may not write to it: change its owner or mode, or run as another user.',
  EPERM: 'It lets nobody make a directory in it.',
  ENOSPC: 'It is full: make room.',
  EDQUOT: 'It is over its quota: make room.',
  ENOTCONN: 'It is not connected: mount it again.',
  ESTALE: 'It is stale: mount it again.',
};

export const SAFETY: Readonly<Record<string, Judge>> = {
  writable: ({ writable }) => {
    if (writable === undefined) return undefined;
    const { errno } = writable;
    if (errno === undefined) return ['good', 'yes', 'A directory can be made in it.'];
    const advice = WRITE_ADVICE[errno] ?? 'Nothing can be made in it; mend that first.';
    return ['bad', errno, advice];
  },

  'directory modes': ({ modes }) => {
    if (modes === undefined) return undefined;
    const { wanted, got, errno } = modes;
    const octal = (mode: number | undefined): string => (mode ?? 0).toString(8).padStart(4, '0');
    if (errno !== undefined) {
      return ['bad', errno, 'Modes cannot be set, which workers do for directories they make.'];
    }
    if (got === wanted) return ['good', octal(got), 'Who may write to it, may write to all of it.'];
    return [
      'warning',
      `${octal(got)}, not ${octal(wanted)}`,
      "New directories do not get the volume's mode: run all workers as one user.",
    ];
  },

  'hard links': ({ links }) => {
    if (links === undefined) return undefined;
    const { errno, refusal, kept } = links;
    if (errno !== undefined) {
      return [
        'bad',
        errno,
        'There are no hard links, by which workers claim: use another file system.',
      ];
    }
    if (refusal === undefined || !kept) {
      return [
        'bad',
        'not exclusive',
        'A second link to a name was granted: use another file system.',
      ];
    }
    return ['good', 'yes', 'A second link to a name is refused.'];
  },

  'names of one file': ({ linkLimit }) => {
    if (linkLimit === undefined) return undefined;
    const { reached, errno } = linkLimit;
    if (errno === undefined) return ['good', `${reached} at least`, 'Enough.'];
    const measured = `${reached}, then ${errno}`;
    if (reached < MIN_LINKS) {
      return ['bad', measured, 'A commit needs more than that: use another file system.'];
    }
    return [
      'warning',
      measured,
      'Workers begin a new token file so often; raise it for speed (GlusterFS: storage.max-hardlinks 0, storage.gfid2path off).',
    ];
  },

  'exclusive in a race': ({ race, fileSystem }) => {
    if (race === undefined) return undefined;
    const { rounds, contested, twoWinners, overturned, noWinner, mounts } = race;
    const scope = `${rounds} rounds, ${race.processes} processes, ${counted(mounts, 'mount')}`;
    if (twoWinners + overturned > 0) {
      const times = counted(twoWinners + overturned, 'round');
      return [
        'bad',
        scope,
        `A name was granted twice, in ${times}: states would run twice. Use another file system.`,
      ];
    }
    if (noWinner > 0) {
      return [
        'warning',
        scope,
        `Nobody won ${counted(noWinner, 'round')}: safe, but it costs cycles.`,
      ];
    }
    if (rounds < (fileSystem.network ? MIN_RACE_ROUNDS.network : MIN_RACE_ROUNDS.local)) {
      return [
        'warning',
        scope,
        'One winner each; but so few rounds prove little: try when it is idle.',
      ];
    }
    if (contested < MIN_CONTESTED_ROUNDS) {
      return [
        'warning',
        scope,
        `One winner each; but only ${contested} were at the same time: try when the host is idle.`,
      ];
    }
    if (fileSystem.network && mounts < 2) {
      return [
        'warning',
        scope,
        'One winner each; but one mount lets one through at a time. Mount it twice and say --through.',
      ];
    }
    return ['good', scope, `One winner each; ${contested} of them really at the same time.`];
  },

  'what losers hear': ({ race, links }) => {
    const refusals = Object.keys(race?.refusals ?? {});
    if (refusals.length === 0 && links?.refusal !== undefined) refusals.push(links.refusal);
    if (refusals.length === 0) return undefined;
    const heard = refusals.sort().join(', ');
    if (heard === 'EEXIST') return ['good', heard, 'As it should be.'];
    return ['warning', heard, 'Flockwork looks at what is there instead; other programs may not.'];
  },

  'link count': ({ links }) => {
    if (links === undefined || links.errno !== undefined) return undefined;
    if (links.count === 2) return ['good', 'true', 'stat tells how many names a file has.'];
    return ['warning', `${links.count} for 2`, 'stat does not tell; Flockwork does not ask it.'];
  },

  'what is written': ({ durable }) => {
    if (durable === undefined) return undefined;
    const { intact, fileErrno, directoryErrno } = durable;
    if (!intact)
      return ['bad', 'altered', 'What was read was not what was written: do not use it.'];
    const errno = fileErrno ?? directoryErrno;
    if (errno !== undefined) {
      const what = fileErrno === undefined ? 'a directory' : 'a file';
      return [
        'bad',
        errno,
        `fsync of ${what} fails, and no commit is made without: use another file system.`,
      ];
    }
    return ['good', 'kept', 'Written, synced and read back.'];
  },

  'renaming over': ({ replacing }) => {
    if (replacing === undefined) return undefined;
    const { renameErrno, replaced } = replacing;
    if (replaced) return ['good', 'replaces', 'As it should be.'];
    return [
      'bad',
      renameErrno ?? 'ignored',
      'A file cannot be replaced, by which torn ones are mended.',
    ];
  },

  'removing a full directory': ({ replacing }) => {
    if (replacing === undefined) return undefined;
    const { removeErrno } = replacing;
    if (removeErrno === undefined)
      return ['bad', 'removed', 'What is in it is lost: do not use it.'];
    return ['good', removeErrno, 'It is refused.'];
  },
};
