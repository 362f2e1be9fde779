import { gpuProblem } from './gpu.js';

/** Says once why nothing is shown. */
export default async function setup(): Promise<void> {
  const problem = await gpuProblem();
  if (problem !== undefined) console.log(`\nNothing is run here: ${problem}\n`);
}
