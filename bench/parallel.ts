/** GNU parallel with its job log: one process for each file, or for 250 of them. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { installDebian } from './install.ts';
import { SLEEP, WORKERS, type Job, type Rig, type Site, type System } from './model.ts';
import { Child } from './processes.ts';

const PROGRAM = '/usr/bin/parallel';
const never = (): Promise<never> =>
  Promise.reject(new Error('GNU parallel does not wait for work'));

class ParallelRig implements Rig {
  readonly workerPids: readonly number[] = [];
  readonly serverPids: readonly number[] = [];
  readonly firstBegan = never;
  readonly countDone = never;
  readonly drop = never;
  readonly #site: Site;
  readonly #files: string;
  readonly #together: number;
  readonly #names: string[] = [];
  #command: string[] = [];
  #jobs = 0;
  #running: Child | undefined;

  constructor(site: Site, together: number) {
    this.#site = site;
    this.#together = together;
    this.#files = join(site.directory, 'files');
    mkdirSync(this.#files);
  }

  /** Nothing to start: GNU parallel starts with its input. */
  async start(concurrency: number): Promise<void> {
    this.#jobs = concurrency;
  }

  async put(job: Job, count: number): Promise<void> {
    const text = JSON.stringify(job);
    for (let index = 0; index < count; index += 1) {
      this.#names.push(`${job.kind}-${index}.state`);
      writeFileSync(join(this.#files, this.#names.at(-1)!), text);
    }
    this.#command =
      job.kind === 'sleep'
        ? [`-j${this.#jobs * WORKERS}`, `sleep ${SLEEP / 1000}; true {}`]
        : [`-j${availableParallelism()}`, '-N', String(this.#together), 'true {}'];
  }

  async release(): Promise<number> {
    const log = ['--joblog', join(this.#site.directory, 'joblog')];
    const now = Date.now();
    this.#running = new Child(PROGRAM, ['--will-cite', ...log, ...this.#command], {
      cwd: this.#files,
      input: `${this.#names.join('\n')}\n`,
    });
    return now;
  }

  async finished(): Promise<number> {
    await this.#running!.succeed();
    return Date.now();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}

const parallel = (together: number): System => ({
  name: together === 1 ? 'parallel' : `parallel-N${together}`,
  title: together === 1 ? 'GNU parallel' : `GNU parallel -N${together}`,
  settings: `--joblog, -j CPUs (-j 20 for 50 ms tasks), \`true\` for ${together === 1 ? 'each file; a tenth of the states' : `${together} files`}`,
  rows: together === 1 ? ['drain', 'sleep'] : ['drain'],
  part: together === 1 ? 0.1 : 1,
  prepare: async () => ({ version: await installDebian('parallel', PROGRAM) }),
  open: async (site) => new ParallelRig(site, together),
});

export const parallels: readonly System[] = [parallel(1), parallel(250)];
