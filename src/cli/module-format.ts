/**
 * Modules that say `import` or `export` are modules, whatever the package.json above them says: `npm init` writes
 * `"type": "commonjs"`, and Node would refuse them, or warn.
 */
import { readFileSync } from 'node:fs';
import { registerHooks, type LoadHookSync } from 'node:module';
import { fileURLToPath } from 'node:url';
import { Script } from 'node:vm';
import { stripTypes } from './strip-types.ts';

const FORMATS: Readonly<Record<string, string>> = { '.js': 'module', '.ts': 'module-typescript' };
const AMBIGUOUS = /^file:.*(\.[jt]s)(?:\?|$)/;
const NO_COMMONJS = /outside a module|Unexpected token 'export'/;

const load: LoadHookSync = (url, context, nextLoad) => {
  const extension = AMBIGUOUS.exec(url)?.[1];
  const isModule = context.format === 'module' || context.format === 'module-typescript';
  if (extension === undefined || isModule || url.includes('/node_modules/')) {
    return nextLoad(url, context);
  }
  return isWritten(fileURLToPath(url), extension)
    ? nextLoad(url, { ...context, format: FORMATS[extension] })
    : nextLoad(url, context);
};

/** As a module: what cannot be a script for that reason. */
function isWritten(path: string, extension: string): boolean {
  try {
    const text = readFileSync(path, 'utf8');
    if (!/\b(?:import|export)\b/.test(text)) return false;
    const script = extension === '.ts' ? stripTypes(text) : text;
    return !compiles(`(function () {${script}\n})`);
  } catch {
    // Node says what is wrong with it.
    return false;
  }
}

function compiles(script: string): boolean {
  try {
    return new Script(script) instanceof Script;
  } catch (error) {
    return !NO_COMMONJS.test((error as Error).message);
  }
}

let isRegistered = false;

/** For all that is loaded in this thread from now on. */
export function recognizeModules(): void {
  if (!isRegistered) registerHooks({ load });
  isRegistered = true;
}
