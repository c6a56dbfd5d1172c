/** URLs and sources of users' modules: which version of a file an import means, and whether a file is an ES module. Pure. */

/** Query parameter. Node keeps a module for each URL for as long as the process lives: a changed file needs a new one. */
const PARAMETER = 'flockwork';

/** The version that a module was imported as; undefined for one that was imported plainly. */
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

/** Plainly an ES module: it imports or exports at the beginning of a line, and assigns no `module.exports`. */
export function isModuleSyntax(source: string): boolean {
  const code = source.replace(COMMENT, '$1');
  return MODULE_SYNTAX.test(code) && !COMMONJS_SYNTAX.test(code);
}
