import { spawnSync } from 'node:child_process';
import { existsSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { prettyMessage } from '../../src/cli/log.ts';

const BASE = { level: 30, time: 1, worker: 'w1', state: 'doc5.state' };

test('prettyMessage puts the state before a message of a step, and its facts after it', () => {
  const line = { ...BASE, machine: 'm', source: 'tick', msg: 'counted', words: 12 };
  expect(prettyMessage(line)).toBe('w1 doc5.state: counted {"words":12}');
  expect(prettyMessage({ ...BASE, source: 'command', msg: 'not found', dir: '/v' })).toBe(
    'w1 /v doc5.state: not found',
  );
});

test('prettyMessage appends the fields of other messages, except those that the message repeats', () => {
  const err = { message: 'EACCES', stack: 'Error: EACCES\n  at x' };
  expect(prettyMessage({ ...BASE, msg: 'doc5.state is done', duration: 3 })).toBe(
    'w1 doc5.state is done {"duration":3}',
  );
  expect(prettyMessage({ ...BASE, msg: 'cannot read', err })).toBe(
    'w1 cannot read {"state":"doc5.state","err":"EACCES"}',
  );
  expect(prettyMessage({ worker: 'w1', msg: 'registered' })).toBe('w1 registered');
});

test('prettyMessage escapes control sequences, and keeps line ends and tabs', () => {
  expect(prettyMessage({ worker: 'w1', msg: '\u001b[31mred\u0007\r\n\tnext\u009b' })).toBe(
    'w1 \\u001b[31mred\\u0007\n\tnext\\u009b',
  );
});

test.skipIf(!existsSync('/dev/full')).each(['pretty', 'json'])(
  'a full disk below a %s log does not stop the process',
  (format) => {
    const script = `
    import { createLog } from '${join(import.meta.dirname, '../../src/cli/log.ts')}';
    const log = createLog({ 'log-format': '${format}', 'log-level': 'info' }, { worker: 'w' });
    for (let count = 0; count < 5000; count += 1) log.info({ count }, 'x'.repeat(200));
    setTimeout(() => console.log('alive'), 10);`;
    const { stdout, status } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', openSync('/dev/full', 'w')],
    });
    expect({ status, stdout: stdout.toString() }).toEqual({ status: 0, stdout: 'alive\n' });
  },
);
