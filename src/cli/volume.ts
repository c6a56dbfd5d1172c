/** A volume as the reading and mending commands use it: no session, no claims. */
import { resolve } from 'node:path';
import { Layout } from '../volume/layout.ts';
import { NodeFiles } from '../volume/node-files.ts';
import { readVolume } from '../volume/open.ts';
import type { VolumeFile } from '../volume/volume-file.ts';
import type { Settings } from './options.ts';

export interface OpenedVolume {
  readonly files: NodeFiles;
  readonly layout: Layout;
  /** Undefined where no worker has been yet. */
  readonly volume: VolumeFile | undefined;
}

/** Throws `no-volume`, `bad-volume`, `unusable-volume`. */
export async function openExisting(settings: Settings): Promise<OpenedVolume> {
  const files = new NodeFiles();
  const layout = new Layout(resolve(settings.dir));
  return { files, layout, volume: await readVolume(files, layout) };
}
