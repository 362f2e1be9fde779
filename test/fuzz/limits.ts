import { expect } from 'vitest';
import { TensorRTError } from '../../lib/errors.js';

/** Which cases come: `npm run fuzz` gives others, and more of them. */
export const SEED = Number(process.env.FUZZ_SEED ?? 20261124);

/** Processor time that one case may take: other work on the machine does not count. */
const MAX_CASE_SECONDS = 1;
/** Memory that the process may have had at the end of all cases. */
const MAX_BYTES = 1e9;

/** Counts what became of cases: `fine`, or the code of the error. Anything else fails the test. */
export class Outcomes {
  readonly #counts = new Map<string, number>();
  #slowest = { seconds: 0, label: '' };

  /**
   * Runs one case.
   *
   * @param label What it is, for messages: enough to find it again.
   * @param work Throws a TensorRTError or nothing.
   */
  async run(label: string, work: () => unknown): Promise<void> {
    const usage = process.cpuUsage();
    let outcome = 'fine';
    try {
      await work();
    } catch (error) {
      if (!(error instanceof TensorRTError)) {
        throw new Error(`${label}: neither a result nor a TensorRTError`, { cause: error });
      }
      outcome = error.code;
    }
    const { user, system } = process.cpuUsage(usage);
    const seconds = (user + system) / 1e6;
    if (seconds > this.#slowest.seconds) this.#slowest = { seconds, label };
    this.#counts.set(outcome, (this.#counts.get(outcome) ?? 0) + 1);
  }

  /** Outcomes that occurred, in order; fails when a case was slow or memory ran away. */
  check(): string[] {
    const { seconds, label } = this.#slowest;
    expect(seconds, `the slowest case, ${label}`).toBeLessThan(MAX_CASE_SECONDS);
    expect(process.resourceUsage().maxRSS * 1024).toBeLessThan(MAX_BYTES);
    return [...this.#counts.keys()].sort();
  }
}
