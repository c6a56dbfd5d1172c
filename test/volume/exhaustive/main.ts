/** The check as a program of its own, so that it can be run on changed sources: its result as JSON. */
import { explore } from './explore.ts';
import type { Scope } from './scope.ts';

process.stdout.write(JSON.stringify(await explore(JSON.parse(process.argv[2]!) as Scope)));
