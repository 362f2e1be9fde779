import type { Family } from '../../lib/runtime/index.js';
import { chooseLibrary, queryDriver } from '../../lib/runtime/index.js';

/** Why nothing can be shown on this machine; undefined when there is a GPU and a TensorRT for it. */
export async function gpuProblem(): Promise<string | undefined> {
  const { devices, problem } = queryDriver();
  const [device] = devices;
  if (device === undefined) return problem ?? 'no NVIDIA GPU';
  try {
    const { family } = await chooseLibrary();
    // TensorRT-RTX does not run on these.
    if (family === 'tensorrt_rtx' && /^(9\.0|10\.0)$/.test(device.computeCapability)) {
      return `TensorRT-RTX does not run on ${device.name}`;
    }
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/** Whether a TensorRT has implicit INT8, and calibrators. */
export function hasCalibrators(family: Family): boolean {
  return family === 'tensorrt8' || family === 'tensorrt10';
}
