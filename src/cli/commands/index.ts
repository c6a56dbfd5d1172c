/** All commands, in the order of `--help`. */
import type { Command } from '../command.ts';
import { submit } from './submit.ts';
import { up } from './up.ts';
import { worker } from './worker.ts';

export const COMMANDS: readonly Command[] = [worker, up, submit];
