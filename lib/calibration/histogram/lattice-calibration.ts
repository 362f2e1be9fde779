import { TensorRTError } from '../../errors.js';
import { CalibrationTable, type TensorRange } from '../ranges.js';
import { listNames } from '../tables/names.js';
import {
  type HistogramMethodOptions,
  named,
  type ResolvedHistogramOptions,
  rangeFor,
  resolveHistogramOptions,
} from './calibration.js';
import { LatticeHistogram } from './lattice.js';

/**
 * The histograms of all tensors of a model over a part of the images: {@link update} in one pass,
 * {@link merge} with other parts in any order, and {@link table} at the end.
 */
export class LatticeCalibration {
  /** The method and its options, defaults filled in. */
  readonly options: ResolvedHistogramOptions;
  /** Histograms by tensor name. */
  readonly histograms = new Map<string, LatticeHistogram>();

  /**
   * @param options The method and what differs from its defaults.
   * @throws TypeError or RangeError for a wrong option.
   */
  constructor(options: HistogramMethodOptions) {
    this.options = resolveHistogramOptions(options);
  }

  /**
   * Counts values of a tensor.
   *
   * @param name Name of the tensor.
   * @param values Any portion of its values.
   * @throws TensorRTError `CALIBRATION_FAILED` that names the tensor, for infinite values.
   */
  update(name: string, values: Float32Array): void {
    let histogram = this.histograms.get(name);
    if (histogram === undefined) {
      histogram = new LatticeHistogram();
      this.histograms.set(name, histogram);
    }
    const current = histogram;
    named(name, () => current.update(values));
  }

  /**
   * Adds another part of the same calibration.
   *
   * @param other The other part; left as it is.
   * @throws TensorRTError `TABLE_MISMATCH` when its options differ, `TABLE_INCOMPLETE` when one of the
   *   parts lacks a tensor.
   */
  merge(other: LatticeCalibration): void {
    if (JSON.stringify(this.options) !== JSON.stringify(other.options)) {
      const both = `${JSON.stringify(this.options)} and ${JSON.stringify(other.options)}`;
      throw new TensorRTError('TABLE_MISMATCH', `Parts with different options: ${both}`, {
        remedy: 'Merge only the parts of one calibration.',
      });
    }
    const lacking = [
      ...Array.from(other.histograms.keys()).filter((name) => !this.histograms.has(name)),
      ...Array.from(this.histograms.keys()).filter((name) => !other.histograms.has(name)),
    ];
    if (lacking.length > 0) {
      const message = `Not every part has the tensors ${listNames(lacking)}`;
      throw new TensorRTError('TABLE_INCOMPLETE', message, {
        remedy: 'Merge parts of one model and one version of ONNX Runtime.',
      });
    }
    for (const [name, histogram] of this.histograms) {
      histogram.merge(other.histograms.get(name) as LatticeHistogram);
    }
  }

  /**
   * The ranges of all tensors.
   *
   * @throws TensorRTError `CALIBRATION_FAILED` that names the tensor.
   */
  table(): CalibrationTable {
    const { method, numBins, symmetric } = this.options;
    const absolute = method === 'percentile' && symmetric;
    const ranges = Array.from(this.histograms, ([name, histogram]): [string, TensorRange] => [
      name,
      named(name, () => rangeFor(histogram.collected({ numBins, absolute }), this.options)),
    ]);
    return new CalibrationTable(ranges, { method });
  }
}
