/** All rows, in the order in which they are measured. */
import type { Row } from '../model.ts';
import { bulk } from './bulk.ts';
import { chains } from './chains.ts';
import { drain } from './drain.ts';
import { events } from './events.ts';
import { idle } from './idle.ts';
import { latency } from './latency.ts';
import { many } from './many.ts';
import { million } from './million.ts';
import { sleep } from './sleep.ts';
import { start } from './start.ts';
import { watchers } from './watchers.ts';

export const ROWS: readonly Row[] = [
  drain,
  chains,
  sleep,
  events,
  latency,
  million,
  bulk,
  many,
  start,
  idle,
  watchers,
];
