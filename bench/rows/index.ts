/** All rows, in the order in which they are measured. */
import type { Row } from '../model.ts';
import { chains } from './chains.ts';
import { drain } from './drain.ts';
import { idle } from './idle.ts';
import { latency } from './latency.ts';
import { million } from './million.ts';
import { sleep } from './sleep.ts';

export const ROWS: readonly Row[] = [drain, chains, sleep, latency, million, idle];
