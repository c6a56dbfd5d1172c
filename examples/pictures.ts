/**
 * Draws the pictures of the documentation from the examples: `npm run pictures` writes them. A test compares them with the
 * files in `docs/pictures/`.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { svgOf } from '../src/render/svg.ts';
import tasks from './tasks/tasks.ts';

const ROOT = join(import.meta.dirname, '..');
export const PICTURES: string = join(ROOT, 'docs/pictures');

/** File name → SVG. */
export function drawPictures(): Map<string, string> {
  return new Map([['tasks.svg', svgOf(tasks)]]);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  for (const [name, svg] of drawPictures()) writeFileSync(join(PICTURES, name), `${svg}\n`);
}
