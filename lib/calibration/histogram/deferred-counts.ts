import { baseBinding, type CountJob } from '../../runtime/index.js';

/**
 * Values that wait to be counted on other threads, while a model already computes the next ones. At most
 * one round is under way, because rounds count into the same histograms.
 */
export class DeferredCounts {
  readonly #count = baseBinding()?.countLater;
  #jobs: CountJob[] = [];
  #running: Promise<void> = Promise.resolve();

  /** Whether there is a native module to count with. */
  get possible(): boolean {
    return this.#count !== undefined;
  }

  /** Adds a job to the next round; its values must stay as they are until the round has ended. */
  add(job: CountJob): void {
    this.#jobs.push(job);
  }

  /** Waits for the round under way, and begins the next. */
  async begin(): Promise<void> {
    await this.#running;
    const jobs = this.#jobs;
    this.#jobs = [];
    if (jobs.length > 0 && this.#count !== undefined) this.#running = this.#count(jobs);
  }

  /** Waits until everything is counted that has begun. */
  async end(): Promise<void> {
    await this.#running;
  }
}
