/** compose.yaml passes on every option of a worker. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { WORK } from '../../src/cli/commands/worker.ts';
import { environmentName } from '../../src/cli/options.ts';

const text = readFileSync(resolve(import.meta.dirname, '../../compose.yaml'), 'utf8');
/** As a user with machines would edit it. */
const uncommented = text.replace(/# - (FLOCKWORK_MACHINES|\.\/machines)/g, '- $1');

interface Compose {
  readonly services: {
    readonly worker: { readonly environment: string[]; readonly volumes: string[] };
  };
}

const workerOf = (yaml: string): Compose['services']['worker'] =>
  (parse(yaml) as Compose).services.worker;

test('passes on every option of a worker', () => {
  const { environment, volumes } = workerOf(uncommented);
  const passed = environment.map((line) => line.split('=')[0]!);
  expect(passed.toSorted()).toEqual(WORK.map(environmentName).toSorted());
  expect(volumes).toContain('./machines:/machines:ro');
});

test('needs no folder of machines by default, and logs in pretty format', () => {
  const { environment, volumes } = workerOf(text);
  expect(volumes).toEqual(['states:/stateFiles']);
  expect(environment).not.toContainEqual(expect.stringContaining('FLOCKWORK_MACHINES'));
  expect(environment).toContain('FLOCKWORK_LOG_FORMAT=${FLOCKWORK_LOG_FORMAT:-pretty}');
});
