/** Commands on a very long backlog, and beside very many done states. */
import { timeCommand } from '../command-time.ts';
import { FlockworkRig, MACHINES, makeVolume } from '../flockwork.ts';
import { watchLoad } from '../foreign.ts';
import type { Row } from '../model.ts';
import { run } from '../processes.ts';

export const bulk: Row = {
  name: 'bulk',
  title: ({ million: count }) => `Commands on ${count} states`,
  metrics: [
    { name: 'submitCpu', unit: 'µs CPU a state of submit --count', digits: 1 },
    { name: 'submit', unit: 's, submit --count', digits: 1 },
    { name: 'pending', unit: 's, status, all pending', digits: 2 },
    { name: 'done', unit: 's, status, all done', digits: 2 },
    { name: 'up', unit: 's, up, all done', digits: 2 },
  ],
  bound:
    'system calls: a state that is submitted is created, written, synced and published. `status` and `up` list the directories.',
  charts: [],
  notes: ['`up` finds nothing to do, and ends.'],
  maxRounds: 1,
  measure: async ({ amounts, site }) => {
    const pending = site();
    await using submitted = new FlockworkRig(pending, []);
    const at = (rig: FlockworkRig): string[] => ['--dir', rig.volume];
    const count = ['--machine', 'noop', '--machines', MACHINES, '--count', `${amounts.million}`];
    await makeVolume(submitted.volume);
    const endSpan = watchLoad();
    const submit = await timeCommand(['submit', ...count, ...at(submitted)]);
    const status = await timeCommand(['status', ...at(submitted)]);
    const { foreign } = endSpan();
    const over = site();
    await using finished = new FlockworkRig(over, []);
    await finished.release();
    await finished.putDone(amounts.million);
    await run('sync', ['-f', over.directory]);
    const endSecond = watchLoad();
    const done = await timeCommand(['status', ...at(finished)]);
    const up = await timeCommand(['up', '--machines', MACHINES, ...at(finished)]);
    return {
      submitCpu: (submit.cpuMs * 1000) / amounts.million,
      submit: submit.ms / 1000,
      pending: status.ms / 1000,
      done: done.ms / 1000,
      up: up.ms / 1000,
      foreign: Math.max(foreign, endSecond().foreign),
    };
  },
};
