/** The data structures of the search. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { TransitionGraph, StateTable } from '../../src/check/state-graph.ts';
import { EMPTY_QUEUE, Queues } from '../../src/check/model.ts';
import { addAnswer, findAnswer, emptyTree } from '../../src/check/rule-evaluator.ts';
import { exchangesOf, normalise } from '../../src/check/symmetry.ts';

test('the state table has each world once, in the order of insertion', () => {
  const world = fc.array(fc.integer({ min: 0, max: 65535 }), { minLength: 3, maxLength: 3 });
  fc.assert(
    fc.property(fc.array(world, { maxLength: 200 }), (worlds) => {
      const table = new StateTable(3);
      const known = new Map<string, number>();
      for (const one of worlds) {
        const index = table.add(Uint16Array.from(one), table.size);
        expect(index).toBe(known.get(one.join()) ?? known.size);
        known.set(one.join(), index);
      }
      const read = new Uint16Array(3);
      for (const [text, index] of known) {
        table.read(index, read);
        expect(read.join()).toBe(text);
        expect(table.find(read)).toBe(index);
        expect(table.parent(index)).toBe(index);
      }
      expect(table.find(Uint16Array.from([1, 2, 70000]))).toBe(known.get('1,2,4464') ?? -1);
    }),
  );
});

test('the state table grows', () => {
  const table = new StateTable(2);
  for (let number = 0; number < 100_000; number += 1)
    expect(table.add(Uint16Array.from([number & 255, number >> 8]), 0)).toBe(number);
  for (let number = 0; number < 100_000; number += 1)
    expect(table.find(Uint16Array.from([number & 255, number >> 8]))).toBe(number);
  expect(table.bytes).toBeLessThan(100_000 * 40);
});

test('the transition graph tells successors, with and without inputs', () => {
  const graph = new TransitionGraph();
  graph.add(1, false);
  graph.add(2, true);
  graph.endWorld();
  graph.endWorld();
  graph.add(0, true);
  graph.endWorld();
  const to = (index: number): Uint8Array =>
    Uint8Array.from({ length: 3 }, (_, at) => Number(at === index));
  expect(graph.leadsTo(0, to(1), false)).toBe(true);
  expect(graph.leadsTo(0, to(2), false)).toBe(false);
  expect(graph.leadsTo(0, to(2), true)).toBe(true);
  expect(graph.leadsTo(1, to(0), true)).toBe(false);
  expect(graph.leadsTo(2, to(0), true)).toBe(true);
});

test('the transition graph has several chunks', () => {
  const graph = new TransitionGraph();
  const many = (1 << 20) + 5;
  for (let index = 0; index < many; index += 1) graph.add(index % 7, false);
  graph.endWorld();
  graph.add(9, false);
  graph.endWorld();
  const marks = new Uint8Array(10);
  marks[9] = 1;
  expect(graph.leadsTo(0, marks, true)).toBe(false);
  expect(graph.leadsTo(1, marks, true)).toBe(true);
});

test('a queue returns its events in order, up to saturation', () => {
  const messages = fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 12 });
  fc.assert(
    fc.property(messages, fc.integer({ min: 1, max: 3 }), (sent, repeats) => {
      const queues = new Queues({ changes: 20, repeats });
      let queue = EMPTY_QUEUE;
      for (const one of sent) queue = queues.push(queue, one)!;
      const longest = Math.max(
        0,
        ...[...sent.join('').matchAll(/(.)\1*/g)].map(([run]) => run.length),
      );
      expect(queues.isSaturated).toBe(longest > repeats);
      // One of the possible sequences of pops is what was sent.
      let ways = new Set([queue]);
      for (const one of sent) {
        expect([...ways].some((way) => queues.front(way) === one)).toBe(true);
        ways = new Set(
          [...ways]
            .filter((way) => queues.front(way) === one)
            .flatMap((way) => [...queues.pop(way)]),
        );
      }
      expect(ways.has(EMPTY_QUEUE)).toBe(true);
      if (!queues.isSaturated) expect([...ways]).toEqual([EMPTY_QUEUE]);
    }),
  );
});

test('a queue is full after that many changes of event', () => {
  const queues = new Queues({ changes: 2, repeats: 1 });
  const two = queues.push(queues.push(EMPTY_QUEUE, 1)!, 2)!;
  expect(queues.push(two, 1)).toBeUndefined();
  expect(queues.push(two, 2)).toBeDefined();
  expect(queues.pop(EMPTY_QUEUE)).toEqual([]);
});

test('the decision tree caches answers, and refuses other reads for the same readings', () => {
  const tree = emptyTree<string>();
  expect(findAnswer(tree, [0, 0])).toBeUndefined();
  addAnswer(tree, [0, 5], [1, 0], 'zero, five');
  addAnswer(tree, [3, 6], [1], 'six');
  expect(findAnswer(tree, [0, 5])).toBe('zero, five');
  expect(findAnswer(tree, [1, 5])).toBeUndefined();
  expect(findAnswer(tree, [9, 6])).toBe('six');
  expect(() => addAnswer(tree, [1, 5], [0], 'first')).toThrow('read other instances than before');
  expect(() => addAnswer(tree, [9, 6], [1, 0], 'more')).toThrow('read other instances than before');
  expect(() => addAnswer(tree, [1, 5], [], 'nothing')).toThrow('read other instances than before');
});

test('exchangesOf returns all permutations but the identity', () => {
  expect(exchangesOf([[0, 2]], 3)).toEqual([{ to: [2, 1, 0], back: [2, 1, 0] }]);
  expect(exchangesOf([[0, 1, 2]], 3)).toHaveLength(5);
  expect(
    exchangesOf(
      [
        [0, 1],
        [2, 3, 4],
      ],
      5,
    ),
  ).toHaveLength(11);
  expect(exchangesOf([], 2)).toEqual([]);
  for (const { to, back } of exchangesOf([[0, 1, 2]], 3))
    expect(to.map((other) => back[other])).toEqual([0, 1, 2]);
});

test('normalise sorts the configurations of a group', () => {
  const groups = [[1, 3, 4]];
  const ranks = Array.from({ length: 5 }, () => [50, 10, 30, 20]);
  const world = Uint16Array.from([3, 0, 2, 1, 3]);
  normalise(world, groups, ranks);
  expect([...world]).toEqual([3, 1, 2, 3, 0]);
});
