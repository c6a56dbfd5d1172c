/**
 * Resolves `import 'flockwork'` in a user's module to the running package, wherever the module is: in an image, beside a
 * global installation, in /etc. A copy installed in the module's own project is ignored, so that a worker and its machines
 * have the same version. `require('flockwork')` is resolved by the same hook.
 */
import { readFileSync } from 'node:fs';
import { registerHooks, type ResolveHookSync } from 'node:module';
import { fileURLToPath } from 'node:url';

/**
 * Of the source, or of the bundle. All modules that ask for their own URL are one folder below `src/`, as the chunks of the
 * bundle are below `dist/`, and name other files by paths that begin with `../`: these are right in both.
 */
const EXTENSION: string = import.meta.url.slice(import.meta.url.lastIndexOf('.'));
const PACKAGE_FOLDER: string = new URL('..', import.meta.url).href;

const OWN: ReadonlyMap<string, string> = new Map(
  ['', '/xstate'].map((part) => [
    `flockwork${part}`,
    new URL(`..${part}/index${EXTENSION}`, import.meta.url).href,
  ]),
);

let isInstalled = false;
/** The last module that imported 'flockwork/xstate': XState is resolved from its project. */
let xstateUser: string | undefined;

const resolve: ResolveHookSync = (specifier, context, nextResolve) => {
  const { parentURL } = context;
  const own = OWN.get(specifier);
  if (own !== undefined && parentURL?.startsWith(PACKAGE_FOLDER) !== true) {
    if (specifier === 'flockwork/xstate') xstateUser = parentURL;
    return { url: own, format: formatOf(own), shortCircuit: true };
  }
  const resolved = resolveXState(specifier, parentURL, (parent) =>
    nextResolve(specifier, parent === undefined ? context : { ...context, parentURL: parent }),
  );
  const version = parentURL === undefined ? undefined : versionOf(parentURL);
  const isFile = /^\.\.?\//.test(specifier) && resolved.url.startsWith('file:');
  return version === undefined || !isFile
    ? resolved
    : { ...resolved, url: withVersion(resolved.url, version) };
};

type Resolved = ReturnType<ResolveHookSync>;

/** XState is an optional peer dependency: if the running package does not find it, it is resolved from the user's project. */
function resolveXState(
  specifier: string,
  parentURL: string | undefined,
  next: (parentURL: string | undefined) => Resolved,
): Resolved {
  const isOurs = specifier === 'xstate' && parentURL?.startsWith(PACKAGE_FOLDER) === true;
  try {
    return next(undefined);
  } catch (error) {
    if (!isOurs || xstateUser === undefined) throw error;
    return next(xstateUser);
  }
}

const formatOf = (url: string): string => (url.endsWith('.ts') ? 'module-typescript' : 'module');

/** Idempotent. Each thread has its own hooks. */
export function installPackageHook(): void {
  if (isInstalled) return;
  isInstalled = true;
  registerHooks({
    resolve,
    // `npm init` writes "type": "commonjs", and then Node rejects module syntax: files with it are loaded as ES modules.
    load: (url, context, nextLoad) => {
      const { format } = context;
      if (format !== 'commonjs' && format !== 'commonjs-typescript') return nextLoad(url, context);
      if (!url.startsWith('file:') || !/\.[jt]s(\?|$)/.test(url)) return nextLoad(url, context);
      if (!isModuleSyntax(readFileSync(fileURLToPath(url), 'utf8'))) return nextLoad(url, context);
      const module = format === 'commonjs' ? 'module' : 'module-typescript';
      return nextLoad(url, { ...context, format: module });
    },
  });
}

/** Query parameter. Node caches modules by URL until the process ends: a changed file needs a new URL. */
const PARAMETER = 'flockwork';

/** The version in a module's URL; undefined for none. */
export function versionOf(url: string): string | undefined {
  return new RegExp(`[?&]${PARAMETER}=([^&#]+)`).exec(url)?.[1];
}

export function withVersion(url: string, version: string): string {
  if (url.includes('/node_modules/')) return url;
  return `${url}${url.includes('?') ? '&' : '?'}${PARAMETER}=${version}`;
}

const COMMENT = /\/\*[^]*?\*\/|(^|\s)\/\/.*$/gm;
const MODULE_SYNTAX =
  /^\s*(?:export\s+(?:default\b|const\b|(?:\w+\s+)?function\b|class\b|\{|\*)|import\s*(?:['"{*]|(?!type\b)\w+[\s,][^;]*?from\s*['"]))/m;
const COMMONJS_SYNTAX = /^\s*(?:module\.exports|exports\.\w+)\b[^=\n]*=(?!=)/m;

/** True if the source imports or exports at the beginning of a line, and does not assign `module.exports`. */
export function isModuleSyntax(source: string): boolean {
  const code = source.replace(COMMENT, '$1');
  return MODULE_SYNTAX.test(code) && !COMMONJS_SYNTAX.test(code);
}

/** The path of this program's entry point, to start another process of it. */
export function entryPoint(): string {
  return fileURLToPath(new URL(`../cli/main${EXTENSION}`, import.meta.url));
}

/** The package's version, from its package.json. */
export function packageVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
