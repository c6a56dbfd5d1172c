/** The engine contract stays small: later engines implement all of it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const MAX_METHODS = 30;
const ENGINE = join(import.meta.dirname, '../../src/engine');

function methodsOf(file: string, name: string): string[] {
  const text = readFileSync(join(ENGINE, file), 'utf8');
  const body = new RegExp(`^export interface ${name}\\b[^]*?^}`, 'm').exec(text)?.[0] ?? '';
  return Array.from(body.matchAll(/^ {2}(\w+)\(/gm), ([, method]) => method!);
}

test('the contract has at most thirty methods', () => {
  const methods = [
    ...methodsOf('engine.ts', 'ClientApi'),
    ...methodsOf('engine.ts', 'Engine'),
    ...methodsOf('engine.ts', 'Configurations'),
    ...methodsOf('session.ts', 'Session'),
    ...methodsOf('session.ts', 'Task'),
  ];
  expect(methods).toEqual(expect.arrayContaining(['submit', 'join', 'put', 'take', 'observe']));
  expect(methods.length).toBeLessThanOrEqual(MAX_METHODS);
});
