/**
 * Places in the source, for stack traces of the built program: its frames are in the bundle that `build.ts` makes.
 * Source maps are read when a stack is printed. Node's own support would read them at every start.
 */
import { readFileSync } from 'node:fs';
import { SourceMap } from 'node:module';
import { fileURLToPath } from 'node:url';

/** The program's own folder, as stack frames name it. */
const OWN_FOLDER: string = new URL('..', import.meta.url).href;
/** Reading one takes 3 ms, and a volume that is full causes thousands of stacks. */
const maps = new Map<string, SourceMap | undefined>();
const FRAME_PLACE = /(file:\/\/[^\s()]+):(\d+):(\d+)/g;

/** The stack, with FILE:LINE:COLUMN of the source, relative to the package, in frames of this program that have a source map. */
export function withSourcePlaces(stack: string): string {
  return stack.replace(FRAME_PLACE, (place, url: string, line: string, column: string) => {
    const map = url.startsWith(OWN_FOLDER) ? mapOf(url) : undefined;
    const origin = map?.findOrigin(Number(line), Number(column));
    if (origin === undefined || !('fileName' in origin)) return place;
    const path = origin.fileName.replace(/^(\.\.\/)+/, '');
    return `${path}:${origin.lineNumber}:${origin.columnNumber}`;
  });
}

function mapOf(url: string): SourceMap | undefined {
  if (!maps.has(url)) maps.set(url, readMap(url));
  return maps.get(url);
}

/** Undefined without a map, as in a checkout, where the frames name the source. */
function readMap(url: string): SourceMap | undefined {
  try {
    const text = readFileSync(`${fileURLToPath(url)}.map`, 'utf8');
    return new SourceMap(JSON.parse(text) as ConstructorParameters<typeof SourceMap>[0]);
  } catch {
    return undefined;
  }
}
