#!/usr/bin/env node
/** What `flockwork` runs. */
import { hideBin } from 'yargs/helpers';
import { EXIT } from './command.ts';
import { main } from './program.ts';

// `flockwork log | head` is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(EXIT.done);
  throw error;
});

process.exitCode = await main(hideBin(process.argv));
