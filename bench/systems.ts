/** All systems, in the order in which they take turns and appear. */
import { bullmq } from './bullmq.ts';
import { flockwork, flockworkNoFsync, flockworkShortest } from './flockwork.ts';
import { floors } from './floor.ts';
import type { System } from './model.ts';

export const SYSTEMS: readonly System[] = [
  flockwork,
  flockworkNoFsync,
  flockworkShortest,
  bullmq,
  ...floors,
];
