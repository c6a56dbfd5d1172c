/** Judges what the protocol relies on: exclusive names and unaltered files. Pure. */
import { counted, type Judge } from './measured.ts';

/** A token has several names at once: the session's file, a claim and one or two flags. */
const MIN_LINKS = 8;

/** Fewer rounds prove little: a broken network file system fails in one of some hundred. */
const MIN_RACE_ROUNDS = { local: 100, network: 500 };
const MIN_CONTESTED_ROUNDS = 20;

const WRITE_ADVICE: Readonly<Record<string, string>> = {
  EROFS: 'It is read-only: mount it read-write.',
  EACCES: 'This user may not write to it: change its owner or mode, or run as another user.',
  EPERM: 'Directories cannot be created in it.',
  ENOSPC: 'It is full: free some space.',
  EDQUOT: 'It is over its quota: free some space.',
  ENOTCONN: 'It is not connected: mount it again.',
  ESTALE: 'It is stale: mount it again.',
};

export const SAFETY: Readonly<Record<string, Judge>> = {
  writable: ({ writable }) => {
    if (writable === undefined) return undefined;
    const { errno } = writable;
    if (errno === undefined) return ['good', 'yes', 'A directory can be created in it.'];
    const advice = WRITE_ADVICE[errno] ?? 'Nothing can be created in it; fix that first.';
    return ['bad', errno, advice];
  },

  'directory modes': ({ modes }) => {
    if (modes === undefined) return undefined;
    const { wanted, got, errno } = modes;
    const octal = (mode: number | undefined): string => (mode ?? 0).toString(8).padStart(4, '0');
    if (errno !== undefined) {
      return ['bad', errno, 'Workers cannot set the modes of the directories that they create.'];
    }
    if (got === wanted) return ['good', octal(got), 'New directories get the mode of the volume.'];
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
        'Workers claim by hard links, and there are none: use another file system.',
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
      'Workers start a new token file that often; raise the limit for speed (GlusterFS: storage.max-hardlinks 0, storage.gfid2path off).',
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
        `${counted(noWinner, 'round')} without a winner: safe, but it costs cycles.`,
      ];
    }
    if (rounds < (fileSystem.network ? MIN_RACE_ROUNDS.network : MIN_RACE_ROUNDS.local)) {
      return [
        'warning',
        scope,
        'One winner each; but so few rounds prove little: repeat when the volume is idle.',
      ];
    }
    if (contested < MIN_CONTESTED_ROUNDS) {
      return [
        'warning',
        scope,
        `One winner each; but only ${contested} were simultaneous: repeat when the host is idle.`,
      ];
    }
    if (fileSystem.network && mounts < 2) {
      return [
        'warning',
        scope,
        'One winner each; but one mount serialises requests. Mount it twice and pass --through.',
      ];
    }
    return ['good', scope, `One winner each; ${contested} of them simultaneous.`];
  },

  'error of losers': ({ race, links }) => {
    const refusals = Object.keys(race?.refusals ?? {});
    if (refusals.length === 0 && links?.refusal !== undefined) refusals.push(links.refusal);
    if (refusals.length === 0) return undefined;
    const heard = refusals.sort().join(', ');
    if (heard === 'EEXIST') return ['good', heard, 'As expected.'];
    return ['warning', heard, 'Flockwork reads the content instead; other programs may not.'];
  },

  'link count': ({ links }) => {
    if (links === undefined || links.errno !== undefined) return undefined;
    if (links.count === 2) return ['good', 'correct', 'stat counts the names of a file.'];
    return ['warning', `${links.count} for 2`, 'stat is wrong; Flockwork does not use it.'];
  },

  'written content': ({ durable }) => {
    if (durable === undefined) return undefined;
    const { intact, fileErrno, directoryErrno } = durable;
    if (!intact)
      return [
        'bad',
        'altered',
        'The content that was read differs from what was written: do not use it.',
      ];
    const errno = fileErrno ?? directoryErrno;
    if (errno !== undefined) {
      const what = fileErrno === undefined ? 'a directory' : 'a file';
      return [
        'bad',
        errno,
        `fsync of ${what} fails, which every commit needs: use another file system.`,
      ];
    }
    return ['good', 'kept', 'Written, synced and read back.'];
  },

  'renaming over': ({ replacing }) => {
    if (replacing === undefined) return undefined;
    const { renameErrno, replaced } = replacing;
    if (replaced) return ['good', 'replaces', 'As expected.'];
    return [
      'bad',
      renameErrno ?? 'ignored',
      'A file cannot be replaced, which the repair of torn writes needs.',
    ];
  },

  'removing a full directory': ({ replacing }) => {
    if (replacing === undefined) return undefined;
    const { removeErrno } = replacing;
    if (removeErrno === undefined) return ['bad', 'removed', 'Its content is lost: do not use it.'];
    return ['good', removeErrno, 'It is refused.'];
  },
};
