/**
 * One process of the floor. Its share is fixed at the start, without coordination; all calls are synchronous. Chains advance
 * a thousand at a time, each step of all of them before the next, as with group commits.
 */
import {
  closeSync,
  fsyncSync,
  linkSync,
  lstatSync,
  openSync,
  readdirSync,
  readSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { stateName } from '../../src/machine/name.ts';
import type { FloorBatch, FloorSettings } from '../floor.ts';
import type { Job } from '../model.ts';
import { Tally } from '../tally.ts';

/** States to one fsync of `done/`. */
const STATES_PER_FSYNC = 1000;
/** ext4 allows 65,000 links to a file. */
const MAX_LINKS_PER_FILE = 60_000;

const { directory, durable, index, processes } = JSON.parse(process.argv[2]!) as FloorSettings;
const place = (...names: string[]): string => join(directory, ...names);
const buffer = Buffer.alloc(4096);
const tally = new Tally();
let links = 0;
let tokens = 0;

/** Claims and commits are links to this file. */
function token(): string {
  const path = place('staging', `token-${index}-${Math.floor(links / MAX_LINKS_PER_FILE)}`);
  if (links === tokens * MAX_LINKS_PER_FILE) {
    writeFileSync(path, '{}\n', { flag: 'wx' });
    tokens += 1;
  }
  return path;
}

function sync(path: string): void {
  if (!durable) return;
  const fd = openSync(path, 'r');
  fsyncSync(fd);
  closeSync(fd);
}

/** Claims, looks, reads. */
function take(name: string): string {
  linkSync(token(), place('in_progress', name));
  lstatSync(place('done', name), { throwIfNoEntry: false });
  const fd = openSync(place(name), 'r');
  const length = readSync(fd, buffer);
  closeSync(fd);
  return buffer.toString('utf8', 0, length);
}

function drain(names: readonly string[]): void {
  for (let at = 0; at < names.length; at += STATES_PER_FSYNC) {
    for (const name of names.slice(at, at + STATES_PER_FSYNC)) {
      take(name);
      linkSync(token(), place('done', name));
      unlinkSync(place('in_progress', name));
      links += 1;
    }
    sync(place('done'));
  }
}

/** One step of each, with one file for all records; returns how many steps are left to each. */
function step(chains: readonly string[], number: number): number {
  let left = 0;
  const records: string[] = [];
  const staged = place('staging', `records-${index}`);
  const write = (path: string, text: string): void => writeFileSync(path, text, { flag: 'wx' });
  for (const chain of chains) {
    const name = stateName(chain, number);
    const job = JSON.parse(take(name)) as Job;
    left = job.left! - 1;
    const next = JSON.stringify({ ...job, left });
    records.push(JSON.stringify({ state: name, next }));
    if (left > 0) write(place('staging', `.${name}`), next);
  }
  write(staged, records.join('\n'));
  sync(staged);
  sync(place('staging'));
  for (const chain of chains) {
    const name = stateName(chain, number);
    linkSync(staged, place('done', name));
  }
  sync(place('done'));
  for (const chain of left > 0 ? chains : []) {
    linkSync(place('staging', `.${stateName(chain, number)}`), place(stateName(chain, number + 1)));
  }
  sync(directory);
  for (const chain of chains) {
    const name = stateName(chain, number);
    if (left > 0) unlinkSync(place('staging', `.${name}`));
    unlinkSync(place('in_progress', name));
  }
  unlinkSync(staged);
  return left;
}

function follow(chains: readonly string[]): number {
  let steps = 0;
  for (let at = 0; at < chains.length; at += STATES_PER_FSYNC) {
    const group = chains.slice(at, at + STATES_PER_FSYNC);
    for (let number = 0, left = 1; left > 0; number += 1) {
      left = step(group, number);
      steps += group.length;
    }
  }
  return steps;
}

process.on('message', ({ prefix }: FloorBatch) => {
  const names = readdirSync(directory).filter((name) => name.startsWith(prefix));
  const mine = names.sort().filter((_, at) => at % processes === index);
  tally.begin();
  if (prefix.startsWith('chain')) {
    tally.finish(follow(mine.map((name) => name.slice(0, -'.state'.length))));
  } else {
    drain(mine);
    tally.finish(mine.length);
  }
});
tally.ready();
