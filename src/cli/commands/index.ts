/** All commands, in the groups and the order of `--help`. */
import type { Command } from '../command.ts';
import type { CommandGroup } from '../help.ts';
import { config } from './config.ts';
import { checking } from './check.ts';
import { doctor } from './doctor.ts';
import { graph } from './graph.ts';
import { health } from './health.ts';
import { list } from './list.ts';
import { log } from './log.ts';
import { outcome } from './outcome.ts';
import { pause, resume } from './pause.ts';
import { reset } from './reset.ts';
import { results } from './results.ts';
import { retry } from './retry.ts';
import { send } from './send.ts';
import { show } from './show.ts';
import { sql } from './sql.ts';
import { status } from './status.ts';
import { simulation } from './simulate.ts';
import { submit } from './submit.ts';
import { up } from './up.ts';
import { validate } from './validate.ts';
import { worker } from './worker.ts';

export const COMMAND_GROUPS: readonly CommandGroup[] = [
  { title: 'Work', commands: [worker, up, submit, send] },
  { title: 'Look', commands: [status, list, show, results, outcome, log, health] },
  { title: 'Change', commands: [retry, reset, pause, resume, config] },
  { title: 'Check and draw', commands: [validate, checking, graph, sql] },
  { title: 'Try and measure', commands: [doctor, simulation] },
];

export const COMMANDS: readonly Command[] = COMMAND_GROUPS.flatMap(({ commands }) => commands);
