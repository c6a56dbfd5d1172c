import { expect, test } from 'vitest';
import { failed } from '../../src/worker/failure.ts';

const home = new URL('../../src/', import.meta.url).href;

function stackOf(stack: string): string | undefined {
  const result = failed(Object.assign(new Error('no'), { stack }));
  return result.kind === 'failed' ? result.error.stack : undefined;
}

test('keeps the stack lines of the user’s own files', () => {
  const own = [
    'Error: no',
    'and so on',
    '    at count (file:///home/ant/word count.ts:12:20)',
    '    at async file:///home/ant/main.js:3:1',
    '    at C:\\ant\\main.js:3:1',
  ];
  const others = [
    `    at startAttempt (${home}worker/executor.ts:1:2)`,
    '    at parse (/home/ant/node_modules/csv/index.js:4:5)',
    '    at process.processTimers (node:internal/timers:618:7)',
    '    at JSON.parse (<anonymous>)',
  ];
  expect(stackOf([...own, ...others].join('\n'))).toBe(own.join('\n'));
});

test('keeps a stack without such lines as it is', () => {
  const stack = `Error: no\n    at a (${home}worker/worker.ts:1:2)\n    at b (node:fs:1:2)`;
  expect(stackOf(stack)).toBe(stack);
});
