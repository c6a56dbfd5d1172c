/** A violated invariant. */
export class Violation extends Error {
  override readonly name: string = 'Violation';
  /** `I1` … `I12`, `liveness`, or `check`: the user's own. */
  readonly invariant: string;

  constructor(invariant: string, message: string) {
    super(message);
    this.invariant = invariant;
  }
}
