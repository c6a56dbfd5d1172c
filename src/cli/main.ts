#!/usr/bin/env node
/** Entry point of `flockwork`. Parses on any Node since 14: imports no name that an old Node lacks. */
import * as nodeModule from 'node:module';

/** As `engines` in package.json. */
const MINIMUM_NODE: readonly [major: number, minor: number] = [22, 22];

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major > MINIMUM_NODE[0] || (major === MINIMUM_NODE[0] && minor >= MINIMUM_NODE[1])) {
  // Must precede the other imports, so that the next start is faster.
  nodeModule.enableCompileCache();
  const args = process.argv.slice(2);
  process.exitCode = (await quick(args)) ?? (await (await import('./program.ts')).main(args));
} else {
  const needed = MINIMUM_NODE.join('.');
  process.stderr.write(`flockwork needs Node ${needed} or newer; this is ${process.version}\n`);
  process.exitCode = 2;
}

/** The exit status of what is asked often, and needs little of the program; undefined for all else. */
async function quick([name, ...others]: readonly string[]): Promise<number | undefined> {
  const print = (text: string): void => void process.stdout.write(`${text}\n`);
  if (name === 'health') {
    return (await import('./commands/health.ts')).quickHealth(others, process.env, print);
  }
  if (name !== '--version' || others.length > 0) return undefined;
  print((await import('./own-package.ts')).packageVersion());
  return 0;
}
