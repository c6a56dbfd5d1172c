import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { loadProblem } from '../../src/cli/load-problem.ts';
import { loadMachine, loadMachines } from '../../src/cli/machines.ts';

const INDEX = join(import.meta.dirname, '../../src/index.ts');
const folder = mkdtempSync(join(tmpdir(), 'flockwork-modules-'));
afterAll(() => rmSync(folder, { recursive: true }));
const put = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};

test('a configuration may begin with a byte order mark', async () => {
  const text = JSON.stringify({ name: 'b', starting_state: 'a', activities: { a: { run: 'x' } } });
  expect((await loadMachine(put('bom.json', `\ufeff${text}`))).name).toBe('b');
});

test('a configuration that is not UTF-8 is refused', async () => {
  const file = join(folder, 'latin.yaml');
  writeFileSync(file, Buffer.from('name: f\xfcr\n', 'latin1'));
  await expect(loadMachine(file)).rejects.toThrow('it is not UTF-8 text');
});

test('a number that a configuration cannot hold is refused, with its place', async () => {
  const file = put('big.json', '{"name": "b",\n "version": 9007199254740993}');
  await expect(loadMachine(file)).rejects.toThrow(/big\.json:2:13: the number 9007199254740993/);
});

test('two machines of one name: from which files', async () => {
  const text = `name: twin\nstarting_state: a\nactivities: { a: { run: x } }\n`;
  const [one, other] = [put('one.yaml', text), put('other.yaml', text)];
  await expect(loadMachines([one, other])).rejects.toThrow(
    `there are two machines twin, from ${one} and ${other}; give`,
  );
  const simple = put('simple.yaml', text.replace('twin', 'simple'));
  await expect(loadMachines([simple])).rejects.toThrow(`from Flockwork itself and ${simple};`);
});

test('an error that Node has marked the place of: there', () => {
  const stack = `file://${folder}/a.mts:2\nconst a = 1;\nconst b = a +;\n             ^\n\nSyntaxError: no`;
  const error = Object.assign(new Error('Expression expected'), { stack });
  expect(loadProblem('m.mts', error)).toBe(`${folder}/a.mts:2:14: Expression expected`);
});

test('an error of syntax in JavaScript, of which Node does not say where it is', () => {
  const file = put('wrong.mjs', 'const a = 1;\nconst b = { c: = 2 };\n');
  const error = new SyntaxError("Unexpected token '='");
  expect(loadProblem(file, error)).toBe(`${file}:2:16: Unexpected token '='`);
});

test('an error that a module throws: where it does', () => {
  const error = Object.assign(new Error('no'), {
    stack: `Error: no\n    at node:fs:1:2\n    at f (file://${folder}/m.ts?v=2:7:9)\n`,
  });
  expect(loadProblem('m.ts', error)).toBe(`${folder}/m.ts:7:9: no`);
  expect(loadProblem('m.ts', 'text')).toBe('m.ts cannot be loaded: text');
});

test('what says import or export is a module, also below "type": "commonjs"', async () => {
  put('package.json', '{ "type": "commonjs" }');
  put('helper.ts', 'export const helper: string = "h";\n');
  put('old.js', '// import is no word to be afraid of\nmodule.exports = { old: "o" };\n');
  const main = put(
    'machine.ts',
    `import { done, machine } from '${INDEX}';\nimport { helper } from './helper.ts';\nimport old from './old.js';\n` +
      'export default machine({ name: `m-${helper}${old.old}`, activities: { a: () => done() } });\n',
  );
  const wrong = put('wrong.ts', "import a from './a.ts';\nenum A { B }\n");
  const script = `const { loadMachine } = await import('${join(import.meta.dirname, '../../src/cli/machines.ts')}');
    console.log((await loadMachine('${main}')).name);
    await loadMachine('${wrong}').catch((error) => console.log(error.message));`;
  // The test runner has hooks of its own.
  const said = execFileSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const reason = 'TypeScript enum is not supported in strip-only mode';
  expect(said).toBe(`m-ho\n${wrong}:2:1: ${reason}\n`);
});
