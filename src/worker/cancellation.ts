/** Whether an attempt has been told to end, for who asks: most ticks never do, and cost no AbortSignal. */
export class Cancellation {
  #reason: { readonly is: unknown } | undefined;
  #controller: AbortController | undefined;

  get isCancelled(): boolean {
    return this.#reason !== undefined;
  }

  /** Always the same one, made when it is first read. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#reason !== undefined) this.#controller.abort(this.#reason.is);
    }
    return this.#controller.signal;
  }

  cancel(reason: unknown): void {
    this.#reason = { is: reason };
    this.#controller?.abort(reason);
  }
}
