/** Versions in the URLs of users' modules, and detection of ES module syntax. Pure. */

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
