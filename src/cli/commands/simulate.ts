/** `flockwork simulate`: runs the real workers in virtual time, on an engine with injected faults. */
import type { Command } from '../command.ts';

export const simulation: Command = {
  name: 'simulate',
  describe: 'Run workers in virtual time, with crashes, lost replies, stale caches and power cuts',
  positional: {
    name: 'paths',
    describe: 'State files of your own to run; their machines: --machines',
    many: true,
  },
  options: [
    'engine',
    'seed',
    'base',
    'seeds',
    'workers',
    'states',
    'minutes',
    'machines',
    'trace',
    'shrink',
    'json',
    'config',
  ],
  optionTexts: {
    workers: {
      describe: 'Number of workers in each run',
      group: 'The runs',
      defaultText: 'as the seed says',
    },
  },
  excludes: { seed: ['seeds', 'base'] },
  needs: { trace: ['seed', 'shrink'] },
  removed: { scale: 'in a checkout, run npm run bench -- scale' },
  exits:
    '0 nothing was found, 2 wrong usage, 10 a guarantee was violated, 11 a run did not end, ' +
    '12 the program itself failed, 130 stopped by Ctrl-C.',
  examples: [
    ['$0 simulate --seeds 10000', 'ten thousand runs, all of them new'],
    ['$0 simulate --seed 4711 --trace run.log', 'one run again, with a trace of its events'],
    ['$0 simulate --seed 4711 --shrink', 'the fewest faults that still make it fail'],
    ['$0 simulate --engine memory', 'workers on the engine in memory'],
    ['$0 simulate states/ --machines ./machines --seeds 500', 'your own machines'],
  ],
  run: async (settings, paths, io) => {
    // A worker has no need of the simulator.
    const { runSimulation } = await import('../simulation.ts');
    return runSimulation(settings, paths, io);
  },
};
