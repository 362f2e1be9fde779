import type { NativeSession } from './binding.js';

/** How often the time that was foreseen may pass before polling gives up. */
const PATIENCE = 3;

/**
 * Looks for results from the event loop itself, once a turn, for a short while. A thread that sleeps in
 * the kernel for as long as a run takes is woken late: idle cores halt. The loop goes on turning
 * meanwhile, so that timers and sockets are served as ever.
 */
export class ResultPolling {
  readonly #native: NativeSession;
  readonly #pending: () => boolean;
  readonly #milliseconds: number;
  readonly #turn = (): void => this.#look();
  #until = 0;
  #active = false;

  /**
   * @param native Where results come from.
   * @param pending Whether any are to come.
   * @param aheadMicroseconds How long before a result `begin` is called, as far as can be foreseen.
   */
  constructor(native: NativeSession, pending: () => boolean, aheadMicroseconds: number) {
    this.#native = native;
    this.#pending = pending;
    this.#milliseconds = (aheadMicroseconds * PATIENCE) / 1000;
  }

  /** Polls until nothing is pending or it has taken too long; then the native side wakes the loop again. */
  begin(): void {
    this.#until = performance.now() + this.#milliseconds;
    if (this.#active) return;
    this.#active = true;
    setImmediate(this.#turn);
  }

  #look(): void {
    let more = false;
    try {
      this.#native.poll(true);
      more = this.#pending() && performance.now() < this.#until;
    } finally {
      this.#active = more;
      if (more) setImmediate(this.#turn);
      // Looks once more: what was done since the last look woke nobody.
      else this.#native.poll(false);
    }
  }
}
