/** The floor of `submit`: creates, writes and closes state files, then syncs them together. Arguments: directory, count. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatStateFile } from '../../src/machine/state-file.ts';

const [directory = '', count = '0'] = process.argv.slice(2);
const text = formatStateFile({ state: 'noop', payload: {} });
for (let index = 0; index < Number(count); index += 1) {
  writeFileSync(join(directory, `noop-${index}.state`), text, { flag: 'wx' });
}
spawnSync('sync', ['-f', directory]);
