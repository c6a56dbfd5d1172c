import { describe, expect, test } from 'vitest';
import { isModuleSyntax, versionOf, withVersion } from '../../src/cli/own-package.ts';

describe('isModuleSyntax', () => {
  test.each([
    "import { machine } from 'flockwork';",
    "import fs from 'node:fs';",
    "import fs, { readFileSync } from 'node:fs';",
    "import {\n  machine,\n} from 'flockwork';",
    "import 'dotenv/config';",
    "import * as fs from 'node:fs';",
    '// header\n/* module.exports = 1 */\nexport default 1;',
    '  export const x = 1;',
    'export { x };',
    "export * from './x.ts';",
  ])('recognises %j', (source) => {
    expect(isModuleSyntax(source)).toBe(true);
  });

  test.each([
    "const { machine } = require('flockwork');\nmodule.exports = machine({});",
    'exports.x = 1;',
    "import type { Machine } from 'flockwork';\nmodule.exports = {};",
    '/*\nexport default 1;\n*/\nmodule.exports = 1;',
    "// import x from 'y';\nmodule.exports = 1;",
    "const later = () => import('x');",
    '',
  ])('does not recognise %j', (source) => {
    expect(isModuleSyntax(source)).toBe(false);
  });
});

describe('versions of a module', () => {
  test('are parsed from the URL', () => {
    const url = withVersion('file:///m/a.ts', '3');
    expect(url).not.toBe('file:///m/a.ts');
    expect(versionOf(url)).toBe('3');
    expect(versionOf(withVersion('file:///m/a.ts?x=1', '4'))).toBe('4');
    expect(versionOf('file:///m/a.ts')).toBeUndefined();
    expect(versionOf('file:///m/flockwork=3/a.ts')).toBeUndefined();
  });

  test('do not apply to installed packages', () => {
    const url = 'file:///m/node_modules/x/index.js';
    expect(withVersion(url, '3')).toBe(url);
  });
});
