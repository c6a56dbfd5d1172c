/**
 * `npm run test:fs [-- NAME… | --date YYYY-MM-DD]`: the chaos run on real file systems (all, those of these names, or
 * the three of that date), with a table of what was measured on each.
 *
 * All of it runs in namespaces of its own (mounts, network, processes): when this process ends in any way, the kernel
 * removes every mount, daemon and address with them.
 */
import { spawn, spawnSync, execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { chaos, recoveryBound, type ChaosResult } from '../chaos-run.ts';
import { measure, type Measured } from './measure.ts';
import { powerCuts, type PowerResult } from './power.ts';
import { selectByDate } from '../selection.ts';
import { makeDirectory, sh, type StandKind } from './stand.ts';
import { glusterfs } from './stands/glusterfs.ts';
import { images } from './stands/images.ts';
import { overlay, tmpfs } from './stands/memory.ts';
import { nfs } from './stands/nfs.ts';
import { sshfs } from './stands/sshfs.ts';

const STANDS: readonly StandKind[] = [...images, tmpfs, overlay, glusterfs, nfs, sshfs];
const ROOT = resolve(import.meta.dirname, '../..');
/** Environment variable of the process in the namespaces: its working directory. */
const HOME_VARIABLE = 'FLOCKWORK_FS_HOME';
const USAGE_ERROR = 2;
/** Of a failed stand's daemon logs. */
const LAST_LINES = 40;

interface Row {
  readonly name: string;
  readonly seconds: number;
  readonly error?: string;
  readonly measured?: Measured;
  readonly chaos?: ChaosResult;
  readonly recoveryBound?: number;
  readonly power?: PowerResult;
}

const say = (text: string): void => void process.stdout.write(`${text}\n`);

/** Undefined after a usage error, which is printed. */
function chosenStands(args: readonly string[]): readonly StandKind[] | undefined {
  if (args[0] !== '--date') return standsNamed(args);
  const [, date = ''] = args;
  const chosen = selectByDate(STANDS, date);
  if (chosen === undefined) {
    process.stderr.write(`expected --date YYYY-MM-DD, got ${args.join(' ')}\n`);
    return undefined;
  }
  const left = STANDS.filter((stand) => !chosen.includes(stand));
  say(`file systems of ${date}: ${namesOf(chosen)}`);
  say(`left to the nightly: file systems: ${namesOf(left)}`);
  return chosen;
}

const namesOf = (stands: readonly StandKind[]): string =>
  stands.map((stand) => stand.name).join(', ');

function standsNamed(names: readonly string[]): readonly StandKind[] | undefined {
  const unknown = names.filter((name) => !STANDS.some((stand) => stand.name === name));
  if (unknown.length === 0) {
    return names.length === 0 ? STANDS : STANDS.filter((stand) => names.includes(stand.name));
  }
  process.stderr.write(`expected names of ${namesOf(STANDS)}; got ${unknown.join(', ')}\n`);
  return undefined;
}

/** Outside: installs packages, starts the namespaces, and removes their directory in the end. */
async function outside(stands: readonly StandKind[]): Promise<number> {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) {
    process.stderr.write('test:fs mounts file systems: it must run as root, on Linux\n');
    return USAGE_ERROR;
  }
  install(['faketime', 'iproute2', ...stands.flatMap((stand) => stand.packages)]);
  const home = mkdtempSync(join(tmpdir(), 'fw-fs-'));
  // The checkout is also mounted there, since another user's workers may not reach its path.
  const code = mkdtempSync(join(tmpdir(), 'fw-code-'));
  for (const directory of [home, code]) chmodSync(directory, 0o755);
  const mounted = (path: string): string =>
    path.startsWith(`${ROOT}/`) ? code + path.slice(ROOT.length) : path;
  const namespaces = ['--mount', '--net', '--pid', '--fork', '--kill-child', '--mount-proc'];
  const script = 'mount --rbind "$1" "$2" && cd "$2" && shift 2 && exec "$@"';
  const command = [mounted(process.execPath), mounted(import.meta.filename)];
  const names = stands.map((stand) => stand.name);
  const child = spawn(
    'unshare',
    [...namespaces, 'sh', '-c', script, 'sh', ROOT, code, ...command, ...names],
    {
      stdio: 'inherit',
      env: { ...process.env, [HOME_VARIABLE]: home },
    },
  );
  const stop = (): void => void child.kill('SIGKILL');
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop);
  const status = await new Promise<number>((ended) =>
    child.once('exit', (exit) => ended(exit ?? 1)),
  );
  // Processes that end in the namespaces may still write.
  rmSync(home, { recursive: true, force: true, maxRetries: 50, retryDelay: 100 });
  rmdirSync(code);
  return status;
}

function install(packages: readonly string[]): void {
  const missing = [...new Set(packages)].filter((name) => {
    const { stdout } = spawnSync('dpkg-query', ['-W', '-f', '${db:Status-Status}', name], {
      encoding: 'utf8',
    });
    return stdout !== 'installed';
  });
  if (missing.length === 0) return;
  say(`installing ${missing.join(' ')}`);
  const stdio = ['ignore', 'ignore', 'inherit'] as const;
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  // Packages must not start their daemons: the stands start their own.
  const policy = '/usr/sbin/policy-rc.d';
  const own = !existsSync(policy);
  if (own) writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    execFileSync('apt-get', ['update', '-qq'], { stdio: [...stdio], env });
    const options = ['install', '-y', '-qq', '--no-install-recommends'];
    execFileSync('apt-get', [...options, ...missing], { stdio: [...stdio], env });
  } finally {
    if (own) rmSync(policy);
  }
}

/** Inside the namespaces: examines one file system after the other. */
async function inside(stands: readonly StandKind[], home: string): Promise<number> {
  sh('ip', 'link', 'set', 'lo', 'up');
  // Other daemons of this machine must not answer.
  sh('mount', '-t', 'tmpfs', 'tmpfs', '/run');
  const rows: Row[] = [];
  for (const kind of stands) {
    say(`\n=== ${kind.name}`);
    const began = performance.now();
    const row = await examine(kind, makeDirectory(home, kind.name));
    const seconds = Math.round((performance.now() - began) / 1000);
    rows.push({ name: kind.name, seconds, ...row });
    say(`${kind.name}: ${row.error ?? 'ok'} (${seconds} s)`);
  }
  say(`\n${table(rows)}`);
  const report = process.env['FLOCKWORK_FS_REPORT'];
  if (report !== undefined) writeFileSync(report, `${JSON.stringify(rows, null, 2)}\n`);
  return rows.some((row) => row.error !== undefined) ? 1 : 0;
}

/** Returns the measurements made before a failure as well. */
async function examine(kind: StandKind, home: string): Promise<Omit<Row, 'name' | 'seconds'>> {
  const seen: { -readonly [Key in keyof Row]?: Row[Key] } = {};
  try {
    await using stand = await kind.open(home);
    seen.measured = await measure(stand);
    say(JSON.stringify(seen.measured));
    const { twoWinners, noWinner, rounds } = seen.measured.race;
    if (twoWinners + noWinner > 0) {
      throw new Error(`links are not exclusive: ${twoWinners} of ${rounds} won twice`);
    }
    seen.recoveryBound = recoveryBound(stand.pace);
    seen.chaos = await chaos(stand, say);
    say(JSON.stringify(seen.chaos));
    if (stand.power !== undefined) seen.power = await powerCuts(stand, stand.power, say);
  } catch (error) {
    const first = firstOf(error);
    seen.error = first.message.split('\n')[0]!;
    process.stderr.write(`${first.stack}\n`);
    for (const name of readdirSync(home).filter((one) => one.endsWith('.log'))) {
      const lines = readFileSync(`${home}/${name}`, 'utf8').trimEnd().split('\n');
      process.stderr.write(`\n--- ${name}\n${lines.slice(-LAST_LINES).join('\n')}\n`);
    }
  }
  return seen;
}

/** The original error, not those of the clean-up after it. */
function firstOf(error: unknown): Error {
  return error instanceof SuppressedError ? firstOf(error.suppressed) : (error as Error);
}

function table(rows: readonly Row[]): string {
  const columns: Record<string, (row: Row) => string> = {
    'file system': (row) => row.name,
    'two winners': ({ measured: m }) => (m ? `${m.race.twoWinners}/${m.race.rounds}` : ''),
    losers: ({ measured: m }) => m?.race.errors.join(' ') ?? '',
    'listed after': ({ measured: m }) => (m ? `${m.seenByListing} ms` : ''),
    'stat after': ({ measured: m }) => (m ? `${m.seenByStat} ms` : ''),
    'mtime by': ({ measured: m }) =>
      m ? `${m.stampedBy}${m.wholeSeconds ? ', seconds' : ''}` : '',
    'recovery (bound)': ({ chaos: c, recoveryBound: bound = 0 }) =>
      c ? `${seconds(Math.max(...c.recoveries))} (${seconds(bound)})` : '',
    states: ({ chaos: c }) => String(c?.states ?? ''),
    users: ({ chaos: c }) => String(c?.users ?? ''),
    kills: ({ chaos: c }) => String(c?.kills ?? ''),
    stops: ({ chaos: c }) => String(c?.stops ?? ''),
    'power cuts': ({ power }) => String(power?.cuts ?? ''),
    time: (row) => `${row.seconds} s`,
    result: (row) => row.error ?? 'ok',
  };
  const lines = [
    Object.keys(columns),
    ...rows.map((row) => Object.values(columns).map((cell) => cell(row))),
  ];
  const widths = lines[0]!.map((_, at) => Math.max(...lines.map((line) => line[at]!.length)));
  return lines
    .map((line) =>
      line
        .map((cell, at) => cell.padEnd(widths[at]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;

const stands = chosenStands(process.argv.slice(2));
const home = process.env[HOME_VARIABLE];
if (stands === undefined) process.exitCode = USAGE_ERROR;
else if (home === undefined) process.exitCode = await outside(stands);
// Immediately: the namespaces and all in them end with this process.
else process.exit(await inside(stands, home));
