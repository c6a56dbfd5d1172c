/** What `submit` makes of machines and states that are not known where it puts them. */
import { describe, expect, test } from 'vitest';
import { doubtAbout, refuseUnknown, type Knowledge } from '../../src/cli/known-machines.ts';
import { createRegistry } from '../../src/machine/registry.ts';
import { shippedMachines } from '../../src/machine/shipped.ts';
import type { StateFile } from '../../src/machine/state-file.ts';

const none: Knowledge = {
  registry: createRegistry(shippedMachines),
  ofWorkers: [],
  isManned: false,
  isStrict: false,
};
const manned: Knowledge = { ...none, ofWorkers: ['simple', 'deploy:v2'], isManned: true };
const strict: Knowledge = { ...manned, isStrict: true };

describe('doubtAbout', () => {
  test.each<[string, Partial<StateFile>, Knowledge, boolean | undefined]>([
    ['a shipped machine', { state: 'simple' }, none, undefined],
    ['a machine of a worker', { state: 'deploy' }, manned, undefined],
    ['its version', { state: 'build', machine: 'deploy:v2' }, manned, undefined],
    ['another version', { state: 'build', machine: 'deploy:v3' }, manned, true],
    ['a typo, before any worker', { state: 'simpel' }, none, false],
    ['a typo, with a worker there', { state: 'simpel' }, manned, true],
    ['a state that the machine has not', { state: 'flying', machine: 'simple' }, none, true],
    ['a machine of a worker, where --machines is all', { state: 'deploy' }, strict, true],
  ])('%s', (_what, file, knowledge, isCertain) => {
    expect(doubtAbout({ payload: {}, ...file } as StateFile, knowledge)?.isCertain).toBe(isCertain);
  });

  test('suggests a similar name', () => {
    const { reason } = doubtAbout({ state: 'simpel', payload: {} }, none)!;
    expect(reason).toBe('machine simpel is not known here; did you mean simple?');
  });
});

describe('refuseUnknown', () => {
  const candidate = (source: string, state: string) => ({
    name: source,
    source,
    bytes: new TextEncoder().encode(JSON.stringify({ state })),
  });

  test('warns once for each machine that a later worker may know', () => {
    const all = ['a.state', 'b.state'].map((name) => candidate(name, 'simpel'));
    expect(refuseUnknown(all, none)).toEqual([
      'a.state: machine simpel is not known here; did you mean simple?',
    ]);
  });

  test('throws with all unknown machines when that is certain', () => {
    const all = [candidate('a.state', 'simpel'), candidate('b.state', 'countdwon')];
    expect(() => refuseUnknown(all, manned)).toThrow(
      /nothing was submitted:\n {2}a\.state: .*\n {2}b\.state: .*did you mean countdown\?\nstart a worker/,
    );
  });
});
