/**
 * What a function of other instances' readings answers, by what it looked at: a tree whose branches ask about one
 * instance each. It is called once for each way through, and what does not matter to it costs nothing.
 */
import { UserError } from '../machine/errors.ts';

/** A leaf has an answer, and `instance` −1. */
export interface DecisionTree<Answer> {
  instance: number;
  next: DecisionTree<Answer>[];
  answer: Answer | undefined;
}

export function emptyTree<Answer>(): DecisionTree<Answer> {
  return { instance: -1, next: [], answer: undefined };
}

/** Undefined where nobody has been yet. */
export function findAnswer<Answer>(
  tree: DecisionTree<Answer>,
  readings: Readonly<ArrayLike<number>>,
): Answer | undefined {
  let node: DecisionTree<Answer> | undefined = tree;
  while (node !== undefined && node.instance >= 0) node = node.next[readings[node.instance]!];
  return node?.answer;
}

/** `looked`: instances in the order in which they were looked at, each once. Throws `not-pure`. */
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
    'a choice, a hook or a claim looked at other instances than before in the same situation; ' +
      'it may depend on nothing but what it is given',
  );
}
