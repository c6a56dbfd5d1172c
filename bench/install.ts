/** Installs the other systems: Debian packages, and a private npm folder. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { run } from './processes.ts';

const FOLDER = join(import.meta.dirname, '.peers');
const PACKAGES = {
  bullmq: '^6.7.0',
  'graphile-worker': '^0.18.0',
  ioredis: '^5.8.0',
  pg: '^8.23.1',
  'pg-boss': '^12.38.0',
};
export type Peer = keyof typeof PACKAGES;

const manifest = `${JSON.stringify({ private: true, dependencies: PACKAGES }, null, 2)}\n`;

/** Installs the npm packages if they are missing; resolves with the version of this one. */
export async function installPeer(name: Peer): Promise<string> {
  const file = join(FOLDER, 'package.json');
  if (
    !existsSync(file) ||
    readFileSync(file, 'utf8') !== manifest ||
    !existsSync(packageFile(name))
  ) {
    mkdirSync(FOLDER, { recursive: true });
    writeFileSync(file, manifest);
    await run('npm', ['install', '--no-audit', '--no-fund'], { cwd: FOLDER });
  }
  const { version } = JSON.parse(readFileSync(packageFile(name), 'utf8')) as { version: string };
  return version;
}

const packageFile = (name: Peer): string => join(FOLDER, 'node_modules', name, 'package.json');

/** Exports of the package. Callers declare the types that they use: the package's own are not installed. */
export function loadPeer(name: Peer): unknown {
  return createRequire(join(FOLDER, 'package.json'))(name) as unknown;
}

/** Installs the Debian package if `program` is missing; resolves with the installed version. */
export async function installDebian(packageName: string, program: string): Promise<string> {
  if (!existsSync(program)) {
    await run('apt-get', ['update', '-qq']);
    const env = { DEBIAN_FRONTEND: 'noninteractive' };
    await run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', packageName], { env });
  }
  const [first = ''] = (await run(program, ['--version'])).split('\n');
  return /\d+(\.\d+)*/.exec(first)?.[0] ?? first;
}
