/** `.flockwork/volume.json`: makes a directory a volume, and has the settings that its workers must agree on. */
import { z } from 'zod';
import type { PhaseLengths } from './phases/cycle.ts';

export interface VolumeFile {
  readonly flockwork: 1;
  /** Random: tells this volume from the empty directory that remains when it is unmounted. */
  readonly id: string;
  /** ISO 8601. */
  readonly created: string;
  readonly phases: PhaseLengths;
  /** Milliseconds without a sign of life after which a session counts as dead. */
  readonly lease: number;
}

const volumeSchema: z.ZodType<VolumeFile> = z.object({
  flockwork: z.literal(1),
  id: z.string().min(1),
  created: z.string(),
  phases: z.object({
    assignment: z.int().positive(),
    commitment: z.int().positive(),
    update: z.int().positive(),
    buffer: z.int().nonnegative(),
  }),
  lease: z.int().positive(),
});

export function formatVolumeFile(file: VolumeFile): string {
  return `${JSON.stringify(file, null, 2)}\n`;
}

/** Undefined for content that this version cannot have written. */
export function parseVolumeFile(text: string): VolumeFile | undefined {
  try {
    return volumeSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}
