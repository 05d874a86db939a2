/**
 * Where what arrives in one turn of the event loop waits for its end, to be worked on side by side. A request is a long way of
 * many short steps: one after the other, each would fetch all of its instructions into the processor's caches again; side by
 * side, step for step, they are there for all who come next. It takes a third of the processor's time off a token
 * (`npm run bench -- tokens`), and no request waits for another that has not arrived yet.
 */
export class Turns {
  #end: Promise<void> | undefined;

  /** Resolves at the end of this turn, for all who wait at once. */
  end(): Promise<void> {
    this.#end ??= new Promise((resolve) => {
      setImmediate(() => {
        this.#end = undefined;
        resolve();
      });
    });
    return this.#end;
  }
}
