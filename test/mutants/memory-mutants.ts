/** Mutants that the simulator must find on the memory engine: each replaces one place of the source. */
import type { NamedMutant } from './mutants.ts';

const SESSION = 'src/engine/memory-session.ts';
const STORE = 'src/engine/memory.ts';
const ROWS = 'src/engine/memory-rows.ts';

export const MEMORY_MUTANTS: readonly NamedMutant[] = [
  {
    name: 'a hold that has expired still settles',
    seed: 2,
    file: SESSION,
    find: 'this.#release(held);\n        this.#lose(held);',
    replace: 'held.row.holder = undefined;\n        this.#lose(held);',
  },
  {
    name: 'an expired hold counts no attempt',
    seed: 2,
    file: SESSION,
    find: "row.attempts = [...row.attempts, { attempt, ...by, result: 'lost', error: { message } }];",
    replace: '',
  },
  {
    name: 'holds expire only when another call comes',
    seed: 7,
    file: SESSION,
    find: 'this.#store.expiry.set(at + this.#store.leaseMs);',
    replace: '',
  },
  {
    name: 'a repeated settle is lost',
    seed: 32,
    file: SESSION,
    find: 'if (before !== undefined) return before;',
    replace: '',
  },
  {
    name: 'drained is said although a state is held',
    seed: 1,
    file: SESSION,
    find: ' + store.held > 0',
    replace: ' > 0',
  },
  {
    name: 'drained is said although events are pending',
    seed: 2,
    file: SESSION,
    find: 'ready.rows.length + ready.pending',
    replace: 'ready.rows.length',
  },
  {
    name: 'states are handed out while paused',
    seed: 11,
    file: SESSION,
    find: 'store.isPaused ? [] : this.#pick',
    replace: 'this.#pick',
  },
  {
    name: 'a state that waits keeps its lost attempts',
    seed: 69,
    file: SESSION,
    find: 'row.attempts = [];',
    replace: '',
  },
  {
    name: 'what was left to a session stays with it when it leaves',
    seed: 535,
    file: SESSION,
    find: 'this.#pending.answer([]);\n    this.#store.reconsiderRefusals();',
    replace: 'this.#pending.answer([]);',
  },
  {
    name: 'a commit is not compared with what it has observed',
    seed: 125,
    file: STORE,
    find: "if (readSet?.some(hasMoved) === true) return 'outdated';",
    replace: '',
  },
  {
    name: 'an event for a failed state keeps workers from their end',
    seed: 257,
    file: ROWS,
    find: 'if (last?.failure !== undefined && last.done === undefined) continue;',
    replace: '',
  },
  {
    name: 'an applied event stays pending',
    seed: 2,
    file: ROWS,
    find: 'queue.splice(queue.indexOf(event), 1);',
    replace: '',
  },
  {
    name: 'events are applied in the order in which they are stored',
    seed: 3,
    file: ROWS,
    find: 'queue.findLastIndex((one) => one.name < name) + 1',
    replace: '0',
  },
  {
    name: 'a retried state stays refused',
    seed: 125,
    file: STORE,
    find: 'row.notBefore = undefined;\n      row.refusedBy.clear();',
    replace: '',
  },
  {
    name: 'a retried state keeps its attempts',
    seed: 294,
    file: STORE,
    find: 'row.attempts = [];',
    replace: '',
  },
  {
    name: 'a refused state is failed although another worker knows it',
    seed: 2,
    file: STORE,
    find: "if (decided.kind === 'leave') {",
    replace: "if (decided.kind === 'leave' && known.length === 0) {",
  },
  {
    name: "a file in a successor's place counts as the successor",
    seed: 39,
    file: STORE,
    find: 'if (added !== undefined || Buffer.compare(there.bytes, bytes) === 0) continue;',
    replace: 'if (there !== undefined) continue;',
  },
];
