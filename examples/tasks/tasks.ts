/**
 * A task as a controller sees it: ready or not, until it is stopped and deleted.
 *
 *   flockwork graph examples/tasks/tasks.ts --format matrix
 *   flockwork sql examples/tasks/tasks.ts --table tasks
 *
 * In your own project, import from 'flockwork'.
 */
import { impossible, machine, same, type Machine } from '../../src/index.ts';

/** Transitions of every task that has not been stopped. */
const ALIVE = { Ready: 'Running', Stop: 'Stopped', Delete: impossible } as const;

const tasks: Machine = machine({
  name: 'tasks',
  states: ['Initializing', 'Running', 'Error', 'Stopped', 'Deleted'],
  events: ['NotReady', 'Ready', 'Stop', 'Delete'],
  initial: 'Initializing',
  table: {
    Initializing: { ...ALIVE, NotReady: same },
    Running: { ...ALIVE, NotReady: 'Error', Ready: same },
    Error: { ...ALIVE, NotReady: same },
    Stopped: { NotReady: impossible, Ready: impossible, Stop: same, Delete: 'Deleted' },
    Deleted: { NotReady: impossible, Ready: impossible, Stop: impossible, Delete: same },
  },
});

export default tasks;
