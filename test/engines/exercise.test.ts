/** The engines on databases pass the exercise of the contract, on real servers, in real time: many tests at once. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { EngineBench } from '../../src/testing/bench.ts';
import { exerciseEngine } from '../../src/testing/index.ts';
import { freshUrl, open, type Opened } from './bench.ts';
import { startPostgres, type Server } from './servers.ts';

const LEASE_MS = 1500;
let server: Server;
const opened: Opened[] = [];

async function postgresBench(): Promise<EngineBench> {
  const one = await open(await freshUrl(server), LEASE_MS);
  opened.push(one);
  return one.bench;
}

beforeAll(async () => {
  // Its disk is not what is exercised here.
  server = await startPostgres(['fsync=off']);
});
afterAll(async () => {
  for (const one of opened) await one[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

describe.concurrent('PostgreSQL', () => {
  exerciseEngine('postgres', postgresBench, { test, expect });
});
