/** Start of the command line: the shortest command, a look at an empty volume, and a worker until it is registered. */
import { join } from 'node:path';
import { timeCommand, type CommandTime } from '../command-time.ts';
import { MACHINES, MAIN, makeVolume, namesIn } from '../flockwork.ts';
import { watchLoad } from '../foreign.ts';
import type { Row } from '../model.ts';
import { Child, until } from '../processes.ts';
import { quantile } from '../statistics.ts';

/** Between looks for the registration, ms. */
const LOOK_INTERVAL = 2;

export const start: Row = {
  name: 'start',
  title: ({ starts }) => `Start of the command line, ${starts} times each`,
  metrics: [
    { name: 'versionCpu', unit: 'ms CPU --version', digits: 0 },
    { name: 'statusCpu', unit: 'ms CPU status', digits: 0 },
    { name: 'version', unit: 'ms --version', digits: 0 },
    { name: 'status', unit: 'ms status', digits: 0 },
    { name: 'registered', unit: 'ms to a registered worker', digits: 0 },
    { name: 'node', unit: 'ms of Node itself', digits: 0 },
  ],
  bound:
    'Node: its own start is in the last column. The rest is modules that are read, compiled and run.',
  charts: [],
  notes: [
    'Medians. The volume of `status` is empty. A worker is registered when its file is in `workers/`, on a volume that exists.',
  ],
  maxRounds: 3,
  measure: async ({ amounts, site }) => {
    const volume = await makeVolume(join(site().directory, 'volume'));
    const repeat = async <T>(act: () => Promise<T>): Promise<T[]> => {
      const found: T[] = [];
      for (let index = 0; index < amounts.starts; index += 1) found.push(await act());
      return found;
    };
    const median = (times: readonly CommandTime[]): number =>
      quantile(
        times.map(({ ms }) => ms),
        0.5,
      );
    const meanCpu = (times: readonly CommandTime[]): number =>
      times.reduce((sum, { cpuMs }) => sum + cpuMs, 0) / times.length;
    const endSpan = watchLoad();
    const version = await repeat(() => timeCommand(['--version']));
    const status = await repeat(() => timeCommand(['status', '--dir', volume]));
    const node = await repeat(() => timeCommand(['0'], '-e'));
    const registered = await repeat(() => timeRegistration(volume));
    return {
      versionCpu: meanCpu(version),
      statusCpu: meanCpu(status),
      version: median(version),
      status: median(status),
      registered: quantile(registered, 0.5),
      node: median(node),
      foreign: endSpan().foreign,
    };
  },
};

/** From the start of its process, ms. */
async function timeRegistration(volume: string): Promise<number> {
  const workers = join(volume, 'workers');
  const begin = performance.now();
  const args = ['worker', '--watch', '--dir', volume, '--machines', MACHINES];
  const env = { BENCH_FIRST: join(volume, '../first') };
  const child = new Child(process.execPath, [MAIN, ...args], { env });
  await until(
    'the worker is registered',
    () => {
      child.assertAlive();
      return namesIn(workers).length > 0;
    },
    LOOK_INTERVAL,
  );
  const ms = performance.now() - begin;
  // Unlike SIGKILL, it lets the worker remove its file.
  await child.stop('SIGTERM');
  return ms;
}
