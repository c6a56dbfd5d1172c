/** A broken promise. */
export class Violation extends Error {
  override readonly name: string = 'Violation';
  /** `I1` … `I9`, or `liveness`. */
  readonly invariant: string;

  constructor(invariant: string, message: string) {
    super(message);
    this.invariant = invariant;
  }
}
