/** `flockwork graph`: draws a machine, or prints its matrix. */
import type { Machine } from '../../machine/definition.ts';
import { UserError } from '../../machine/errors.ts';
import { dotOf, mermaidOf } from '../../render/diagram.ts';
import { matrixOf } from '../../render/matrix.ts';
import { svgOf } from '../../render/svg.ts';
import { EXIT, type Command } from '../command.ts';
import { loadOne } from '../machines.ts';
import type { Settings } from '../options.ts';

const RENDER: Record<Settings['format'], (machine: Machine) => string> = {
  mermaid: mermaidOf,
  dot: dotOf,
  svg: svgOf,
  matrix: matrixOf,
};

export const graph: Command = {
  name: 'graph',
  describe: 'Draw a machine: Mermaid, DOT, SVG, or its matrix as Markdown',
  positional: {
    name: 'machine-file',
    describe: 'A machine (.ts, .js, .yaml, .json), or a folder of them',
    required: true,
  },
  options: ['format', 'machine', 'config'],
  examples: [
    ['$0 graph machines/door.ts', 'a Mermaid diagram'],
    ['$0 graph machines/door.ts --format svg > door.svg', 'a picture'],
    ['$0 graph machines --machine door --format matrix', 'the table of one of several machines'],
  ],
  run: async (settings, [path = ''], io) => {
    const machine = await loadOne(path, settings.machine);
    if (machine.kinds.size === 0) {
      const reason = "its states are XState's own; use @xstate/graph or stately.ai";
      throw new UserError('not-drawn', `cannot draw machine ${machine.name}: ${reason}`);
    }
    if (machine.kinds.size > 1 && machine.rules === undefined && leadsNowhere(machine)) {
      io.say(
        `machine ${machine.name} has no table: its code decides where each state leads, so there are no arrows`,
      );
    }
    io.print(RENDER[settings.format](machine));
    return EXIT.done;
  },
};

/** True if no state is a command with a fixed next state. */
function leadsNowhere({ activities }: Machine): boolean {
  return [...activities.values()].every((one) => one.kind !== 'command' || one.next === undefined);
}
