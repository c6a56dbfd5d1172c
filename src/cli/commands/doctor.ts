/** `flockwork doctor`: measures whether a directory is fit to be a volume, and which phases it needs. */
import { resolve } from 'node:path';
import { advise } from '../../doctor/advice.ts';
import { examine, type Examination, type Subject } from '../../doctor/examine.ts';
import { isFit, judge } from '../../doctor/judge.ts';
import type { Measured } from '../../doctor/measured.ts';
import { nodeHost, startPeerProcess } from '../../doctor/node-host.ts';
import { scratchName } from '../../doctor/scratch.ts';
import { Layout } from '../../volume/layout.ts';
import { NodeFiles } from '../../volume/node-files.ts';
import { readVolume } from '../../volume/open.ts';
import { directoryOf } from '../directories.ts';
import { COMMON, EXIT, type Command, type Io } from '../command.ts';
import { asJson, describe, type Findings } from '../doctor-text.ts';
import { realClock, realRandom } from '../../api/node-ports.ts';

export const doctor: Command = {
  name: 'doctor',
  describe: 'Measure whether a directory is fit to be a volume, and which phases it needs',
  positional: { name: 'directory', describe: 'The directory; default: the one of --dir' },
  options: [...COMMON, 'through', 'json'],
  exits: '0 fit to be a volume, 2 not fit or wrong usage, 3 stopped before the end, 130 by Ctrl-C.',
  examples: [
    ['$0 doctor /mnt/states', 'takes a few seconds; safe on a volume in use'],
    [
      '$0 doctor /mnt/a --through /mnt/b',
      'the same network directory, mounted twice: what one host sees of another',
    ],
    ['$0 doctor --dir /mnt/states --json', 'for programs; exit 2 if it cannot be used'],
  ],
  run: async (settings, [word], io) => {
    const directory = word === undefined ? directoryOf(settings, 'doctor') : resolve(word);
    const through = settings.through.map((mount) => resolve(mount));
    const files = new NodeFiles();
    // Throws if one of them is not a directory.
    for (const mount of [directory, ...through]) await readVolume(files, new Layout(mount));
    const subject: Subject = {
      directory,
      through,
      scratch: scratchName(realRandom),
      stop: io.stop,
      progress: (doing) => io.draw?.(`${doing} …`),
    };
    const examination = await run(files, subject, io);
    if (examination === undefined) return EXIT.incomplete;
    const { phases, lease } = (await readVolume(files, new Layout(directory))) ?? {};
    const measured: Measured = {
      ...examination.measured,
      ...(phases !== undefined && { phases }),
      ...(lease !== undefined && { lease }),
    };
    const findings: Findings = {
      measured,
      skipped: examination.skipped,
      judgements: judge(measured),
      advice: advise(measured),
    };
    io.print(settings.json ? asJson(directory, findings) : describe(directory, findings));
    return isFit(findings.measured) ? EXIT.done : EXIT.usage;
  },
};

/** Undefined if it was stopped. */
async function run(files: NodeFiles, subject: Subject, io: Io): Promise<Examination | undefined> {
  const ports = { files, clock: realClock, host: nodeHost };
  try {
    return await examine(ports, startPeerProcess, subject);
  } catch (error) {
    if (!io.stop.aborted) throw error;
    io.say('stopped; the measurement was removed from the directory');
    return undefined;
  } finally {
    io.draw?.('');
  }
}
