/** All systems, in the order in which they take turns and appear. */
import { bullmqs } from './bullmq.ts';
import { flockwork, flockworkEager, flockworkNoFsync, flockworkShortest } from './flockwork.ts';
import { flockworkPostgres } from './flockwork-postgres.ts';
import { floors } from './floor.ts';
import { graphiles } from './graphile.ts';
import type { System } from './model.ts';
import { parallels } from './parallel.ts';
import { pgBosses } from './pg-boss.ts';

export const SYSTEMS: readonly System[] = [
  flockwork,
  flockworkNoFsync,
  flockworkShortest,
  flockworkEager,
  flockworkPostgres,
  ...bullmqs,
  ...graphiles,
  ...pgBosses,
  ...parallels,
  ...floors,
];
