/**
 * What a function of other instances' readings answers, by what it looked at: a tree whose branches ask about one
 * instance each. It is called once for each way through, and what does not matter to it costs nothing.
 */
import { UserError } from '../machine/errors.ts';

/** A leaf has an answer, and `who` −1. */
export interface Reads<Answer> {
  who: number;
  next: Reads<Answer>[];
  answer: Answer | undefined;
}

export function unread<Answer>(): Reads<Answer> {
  return { who: -1, next: [], answer: undefined };
}

/** Undefined where nobody has been yet. */
export function recall<Answer>(
  tree: Reads<Answer>,
  readings: Readonly<ArrayLike<number>>,
): Answer | undefined {
  let node: Reads<Answer> | undefined = tree;
  while (node !== undefined && node.who >= 0) node = node.next[readings[node.who]!];
  return node?.answer;
}

/** `looked`: instances in the order in which they were looked at, each once. Throws `not-pure`. */
export function learn<Answer>(
  tree: Reads<Answer>,
  readings: Readonly<ArrayLike<number>>,
  looked: readonly number[],
  answer: Answer,
): void {
  let node = tree;
  for (const who of looked) {
    if (node.who < 0) {
      if (node.answer !== undefined) refuse();
      node.who = who;
    } else if (node.who !== who) refuse();
    node = node.next[readings[who]!] ??= unread();
  }
  if (node.who >= 0 || node.answer !== undefined) refuse();
  node.answer = answer;
}

function refuse(): never {
  throw new UserError(
    'not-pure',
    'a choice, a hook or a claim looked at other instances than before in the same situation; ' +
      'it may depend on nothing but what it is given',
  );
}
