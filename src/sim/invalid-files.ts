/** What people leave in a volume: names that are ignored, and state files that cannot be run. */

/** Name and content; no content: no regular file. */
export const INVALID_FILES: readonly (readonly [name: string, content: string | undefined])[] = [
  ['README.txt', 'hello'],
  ['half.state.part', '{"state":'],
  ['zero.state-01', '{}'],
  ['.hidden.state', '{}'],
  ['empty.state', ''],
  ['cut.state', '{"state": "chain", "payload": {'],
  ['list.state', '[]'],
  ['keys.state', '{"state": "chain", "colour": "red"}'],
  ['fifo.state', undefined],
  ['foreign.state', '{"state": "nobody knows this"}'],
  // A file that somebody put where a successor is to be.
  ['i0.state-1', '{"state": "chain", "payload": {"left": 1}, "x-mine": true}'],
];
