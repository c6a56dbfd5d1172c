/** Two users of one group, the first with a umask that hides everything: what it makes is the group's all the same. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';

const MAIN = resolve(import.meta.dirname, '../../src/cli/main.ts');

test('a worker with umask 077 on a group’s volume leaves only files that the group may write', async () => {
  const volume = mkdtempSync(join(tmpdir(), 'flockwork-modes-'));
  try {
    chmodSync(volume, 0o2775);
    writeFileSync(join(volume, 'a.state'), '{"state":"countdown","payload":{"count":1}}');
    writeFileSync(join(volume, 'bad.state'), '{"state":"nothing that a worker knows"}');
    chmodSync(join(volume, 'a.state'), 0o664);
    chmodSync(join(volume, 'bad.state'), 0o664);
    const script =
      'umask 077; "$0" "$1" pause --dir "$2" && "$0" "$1" resume --dir "$2" && exec "$0" "$1" worker --dir "$2"';
    const worker = spawn('sh', ['-c', script, process.execPath, MAIN, volume], {
      env: { ...process.env, FLOCKWORK_EXAMPLE_DELAY: '0' },
    });
    const [status] = (await once(worker, 'close')) as [number];
    // One of them fails.
    expect(status).toBe(1);
    const entries = readdirSync(volume, { recursive: true, encoding: 'utf8' });
    expect(entries).toContain('done/a.state');
    const closed = entries.filter((name) => {
      const stat = statSync(join(volume, name));
      const wanted = stat.isDirectory() ? 0o2070 : 0o060;
      return (stat.mode & wanted) !== wanted;
    });
    expect(closed).toEqual([]);
  } finally {
    rmSync(volume, { recursive: true, force: true });
  }
});
