/**
 * Cache of a function of other instances' readings: a decision tree that branches on the instances that the function
 * read. The function is called once per path; instances that it does not read cost nothing.
 */
import { UserError } from '../machine/errors.ts';

/** A leaf has an answer and `instance` −1; any other node branches on the reading of `instance`. */
export interface DecisionTree<Answer> {
  instance: number;
  next: DecisionTree<Answer>[];
  answer: Answer | undefined;
}

export function emptyTree<Answer>(): DecisionTree<Answer> {
  return { instance: -1, next: [], answer: undefined };
}

/** Undefined if the function has not been called for these readings. */
export function findAnswer<Answer>(
  tree: DecisionTree<Answer>,
  readings: Readonly<ArrayLike<number>>,
): Answer | undefined {
  let node: DecisionTree<Answer> | undefined = tree;
  while (node !== undefined && node.instance >= 0) node = node.next[readings[node.instance]!];
  return node?.answer;
}

/** `looked`: the instances that it read, in that order, each once. Throws `not-pure`. */
export function addAnswer<Answer>(
  tree: DecisionTree<Answer>,
  readings: Readonly<ArrayLike<number>>,
  looked: readonly number[],
  answer: Answer,
): void {
  let node = tree;
  for (const instance of looked) {
    if (node.instance < 0) {
      if (node.answer !== undefined) refuse();
      node.instance = instance;
    } else if (node.instance !== instance) refuse();
    node = node.next[readings[instance]!] ??= emptyTree();
  }
  if (node.instance >= 0 || node.answer !== undefined) refuse();
  node.answer = answer;
}

function refuse(): never {
  throw new UserError(
    'not-pure',
    'a choice, a hook or a claim read other instances than before for the same arguments; ' +
      'it must depend on its arguments alone',
  );
}
