#!/usr/bin/env node
/** What `flockwork` runs. */
import { hideBin } from 'yargs/helpers';
import { main } from './program.ts';

process.exitCode = await main(hideBin(process.argv));
