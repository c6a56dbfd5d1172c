/** Files that users leave in a volume: names that workers ignore, and state files that cannot run. */

/** Without content: not a regular file. */
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
  ['foreign.state', '{"state": "unknown"}'],
  // In the place of a successor.
  ['i0.state-1', '{"state": "chain", "payload": {"left": 1}, "x-mine": true}'],
];
