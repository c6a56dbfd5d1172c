/** Handles a job in all systems but Flockwork; its equivalent is in `machines/`. */
import { appendFileSync } from 'node:fs';
import { SLEEP, type Job } from '../model.ts';

/** Resolves with the job that follows, if there is one. */
export async function handle(job: Job): Promise<Job | undefined> {
  if (job.kind === 'sleep') await new Promise((wake) => setTimeout(wake, SLEEP));
  if (job.kind === 'stamp') {
    appendFileSync(process.env.BENCH_STAMPS!, `${job.id} ${process.hrtime.bigint()}\n`);
  }
  return job.kind === 'chain' && job.left! > 1 ? { ...job, left: job.left! - 1 } : undefined;
}
