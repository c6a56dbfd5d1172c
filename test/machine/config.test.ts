import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseConfiguration } from '../../src/machine/config.ts';
import { UserError } from '../../src/machine/errors.ts';

const lines = (all: string[]) => all.join('\n');
const parse = (text: string, file = 'm.yaml') =>
  parseConfiguration(text, { file, folder: '/machines' });
const GOOD = `
name: thumbnails
version: 2
starting_state: shrink
activities:
  shrink: { run: ./shrink.sh, next: upload, timeout: 30s, retry: { maximumAttempts: 2 } }
  upload: { run: ./upload.sh, cwd: bin, env: { RETRIES: 3 } }
`;

describe('machines as configurations', () => {
  test('YAML, with everything', () => {
    const machine = parse(GOOD);
    expect(machine).toMatchObject({ name: 'thumbnails', version: '2', initial: 'shrink' });
    expect(machine.activities.get('shrink')).toMatchObject({
      kind: 'command',
      run: './shrink.sh',
      next: 'upload',
      timeout: 30_000,
      cwd: '/machines',
    });
    expect(machine.activities.get('upload')).toMatchObject({
      cwd: '/machines/bin',
      env: { RETRIES: '3' },
      next: undefined,
    });
  });

  test('a version is what is written, not the number it makes', () => {
    expect(parse(GOOD.replace('version: 2', 'version: 1.10')).version).toBe('1.10');
  });

  test('whatever the text, it is a machine or a UserError', () => {
    const keys = fc.constantFrom('name: a', 'activities:', '  s: {run: x}', 'starting_state: s');
    const texts = fc.oneof(fc.string(), fc.array(fc.oneof(keys, fc.string())).map(lines));
    fc.assert(
      fc.property(texts, fc.constantFrom('m.yaml', 'm.json'), (text, file) => {
        try {
          parse(text, file);
        } catch (error) {
          expect(error).toBeInstanceOf(UserError);
        }
      }),
    );
  });

  test('JSON', () => {
    const text = JSON.stringify({
      name: 'a',
      starting_state: 's',
      activities: { s: { run: 'true' } },
      'x-note': 1,
    });
    expect(parse(text, 'm.json').name).toBe('a');
  });

  test.each([
    ['YAML that is none', 'name: [a', 'm.yaml', ['m.yaml:1:']],
    ['YAML in a .json file', 'name: a', 'm.json', ['m.json:1:1', 'not JSON']],
    ['nothing', '', 'm.yaml', ['m.yaml:']],
    ['a list', '- a', 'm.yaml', ['object']],
    ['an unknown key', `${GOOD}retries: 3\n`, 'm.yaml', ['m.yaml:8:', 'unknown key retries']],
    [
      'an unknown key of an activity',
      GOOD.replace('timeout:', 'timout:'),
      'm.yaml',
      ['m.yaml:6:', 'timout'],
    ],
    [
      'a start that is no state',
      GOOD.replace('starting_state: shrink', 'starting_state: shrunk'),
      'm.yaml',
      ['m.yaml:4:', 'no state shrunk'],
    ],
    [
      'a next that is no state',
      GOOD.replace('next: upload', 'next: uplod'),
      'm.yaml',
      ['m.yaml:6:', 'no state uplod'],
    ],
    [
      'a next without activity',
      `${GOOD.replace('next: upload', 'next: idle')}states: [shrink, upload, idle]\n`,
      'm.yaml',
      ['no activity'],
    ],
    [
      'an unknown key in a block, at its own line',
      `${GOOD}  third:\n    run: x\n    retry:\n      attempts: 3\n`,
      'm.yaml',
      ['m.yaml:11:7: ', 'unknown key attempts; there are maximumAttempts'],
    ],
    ['a version that is nothing', GOOD.replace('2', ''), 'm.yaml', ['m.yaml:3:1: version']],
    [
      'an environment that is no text',
      GOOD.replace('RETRIES: 3', 'RETRIES: [3]'),
      'm.yaml',
      ['m.yaml:7:', 'env.RETRIES'],
    ],
    ['an alias without anchor', `${GOOD}x-a: *nope\n`, 'm.yaml', ['m.yaml: ', 'nope']],
    [
      'a bomb of aliases',
      `${GOOD}x-a: &a [${'1,'.repeat(20)}]\nx-b: &b [${'*a,'.repeat(20)}]\nx-c: [${'*b,'.repeat(20)}]\n`,
      'm.yaml',
      ['alias'],
    ],
    [
      'a timeout beyond any timer',
      GOOD.replace('30s', '1000h'),
      'm.yaml',
      ['m.yaml:6:', '24 days'],
    ],
    [
      'a blank command',
      GOOD.replace('./upload.sh', '" "'),
      'm.yaml',
      ['m.yaml:7:', 'command line'],
    ],
    ['a command that is none', GOOD.replace('./upload.sh', '5'), 'm.yaml', ['m.yaml:7:', 'string']],
    ['a timeout that is none', GOOD.replace('30s', 'soon'), 'm.yaml', ['m.yaml:6:', 'soon']],
    ['a bad name', GOOD.replace('thumbnails', 'a b'), 'm.yaml', ['m.yaml:2:', 'machine name']],
  ])('%s is refused, with its place', (_what, text, file, words) => {
    expect(() => parse(text, file)).toThrow(expect.objectContaining({ code: 'bad-configuration' }));
    for (const word of words) expect(() => parse(text, file)).toThrow(word);
  });

  test('all problems are told at once', () => {
    const text = GOOD.replace('next: upload', 'next: uplod').replace('version: 2', 'versoin: 2');
    expect(() => parse(text)).toThrow(/versoin[^]*uplod|uplod[^]*versoin/);
  });
});
