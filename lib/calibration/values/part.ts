import type { OnnxModel } from '../../onnx/index.js';
import type { GraphProvider } from '../graph-runner.js';
import type { HistogramMethodOptions } from '../histogram/calibration.js';
import { LatticeCalibration } from '../histogram/lattice-calibration.js';
import { type Batches, BatchWalk, type CollectOptions } from '../minmax/batches.js';
import { noInput, nothingToCalibrate } from '../minmax/calibrator.js';
import { planMinMax } from '../minmax/plan.js';
import { valueGroups } from './pieces.js';
import { ValueReader } from './value-reader.js';

/**
 * Collects the histograms of one part of the images, to be merged with those of other parts: one
 * pass, because no range need be known before.
 *
 * @param model The model; it stays as it is.
 * @param provider What runs it.
 * @param batches The batches of this part.
 * @param options The method with its options; abort signal, progress in `images`.
 * @throws TypeError when a batch lacks an input or has one that the model does not, or for a wrong
 *   option.
 * @throws TensorRTError `MODEL_UNSUPPORTED`, `INFERENCE_FAILED`; `CALIBRATION_FAILED` without a
 *   batch, and for infinite values, naming the tensor.
 */
export async function collectHistogramPart(
  model: OnnxModel,
  provider: GraphProvider,
  batches: Batches,
  options: HistogramMethodOptions & CollectOptions,
): Promise<LatticeCalibration> {
  const part = new LatticeCalibration(options);
  const plan = await planMinMax(model, provider);
  if (plan.tensors.length === 0) throw nothingToCalibrate(model);
  const groups = valueGroups(plan);
  const reader = new ValueReader(model, provider, plan);
  let seen = false;
  try {
    await new BatchWalk(model).forEach(batches, options, 'count', async (feeds) => {
      const values = await reader.read(feeds);
      for (const { names, pieces } of groups) {
        for (const piece of pieces) {
          part.update(names[0], reader.valuesOf(piece, values));
        }
      }
      seen = true;
    });
  } finally {
    await reader.release();
  }
  if (!seen) throw noInput();
  // Counted once for tensors of the same values; every tensor has a histogram of its own in the end,
  // in node order, as a run without parts lists them.
  const counted = new Map(groups.flatMap(({ names }) => names.map((name) => [name, names[0]])));
  const named = plan.tensors.map(({ name }) => {
    const first = counted.get(name)!;
    const histogram = part.histograms.get(first)!;
    return [name, name === first ? histogram : histogram.copy()] as const;
  });
  part.histograms.clear();
  for (const [name, histogram] of named) part.histograms.set(name, histogram);
  return part;
}
