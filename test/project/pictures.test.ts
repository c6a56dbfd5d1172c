/** The pictures of the documentation are up to date. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { drawPictures, PICTURES } from '../../examples/pictures.ts';

test.each([...drawPictures()])('%s is what `npm run pictures` draws', (name, svg) => {
  expect(readFileSync(join(PICTURES, name), 'utf8')).toBe(`${svg}\n`);
});
