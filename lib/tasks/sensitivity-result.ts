import { basename } from 'node:path';
import { defined } from '../defined.js';
import type { Recipe } from '../preprocess/index.js';
import type { QuantizationTarget } from '../quantization/index.js';
import type { AgreementScore } from './agreement.js';
import type { BrokenImage } from './batches.js';
import { excludeListText } from './exclude-list.js';
import {
  dropOf,
  type FloatSet,
  type SensitivityMetric,
  type UnitSensitivity,
} from './sensitivity-search.js';
import type { SensitivityUnitKind } from './sensitivity-units.js';

/** Result of {@link sensitivity}. */
export interface SensitivityResult {
  /** What was left float at a time. */
  by: SensitivityUnitKind;
  /** What ranked. */
  metric: SensitivityMetric;
  /** What the model was quantized for. */
  target: QuantizationTarget;
  /** Images that were compared. */
  images: number;
  /** Images that were skipped. */
  broken: BrokenImage[];
  /** The score with everything in int8. */
  baseline: AgreementScore;
  /** Every layer or block, dearest first. */
  units: UnitSensitivity[];
  /** Largest drop that was allowed. */
  maxDrop: number;
  /** The proposed set. */
  proposal: SensitivityProposal;
  /** Scores that came from the file of partial results. */
  reused: number;
  /** Files that were written. */
  files: string[];
  /** How the images were prepared. */
  recipe: Recipe;
  /** The file that the recipe comes from, when it was found and not named. */
  recipeFile?: string;
}

/** The smallest set of float layers that was found. */
export interface SensitivityProposal {
  /** Its layers or blocks, dearest first. */
  units: string[];
  /** Names of the nodes to leave float: the `exclude` of {@link quantizeModel}. */
  exclude: string[];
  /** The same as trtexec's `--layerPrecisions` spells them; absent when a name cannot be spelt so. */
  layerPrecisions?: string;
  /** The score with them float, as really measured. */
  score: AgreementScore;
  /** The drop that is left, by the metric. */
  drop: number;
  /** Whether the drop is at most the allowed one. */
  meets: boolean;
}

/** Names as `--layerPrecisions` takes them, unless one holds what separates them there. */
function layerPrecisions(names: readonly string[]): string | undefined {
  if (names.length === 0 || names.some((name) => /[:,]/.test(name))) return undefined;
  return names.map((name) => `${name}:fp32`).join(',');
}

/**
 * The proposal that a search found.
 *
 * @param found The set.
 * @param metric What the drop is measured in.
 * @param always Nodes that the caller leaves float in any case.
 */
export function proposalOf(
  found: FloatSet & { meets: boolean },
  metric: SensitivityMetric,
  always: readonly string[],
): SensitivityProposal {
  const exclude = [...always, ...found.units.flatMap(({ nodes }) => nodes)];
  const spelt = layerPrecisions(exclude);
  return {
    units: found.units.map(({ name }) => name),
    exclude,
    ...defined({ layerPrecisions: spelt }),
    score: found.score,
    drop: dropOf(found.score, metric),
    meets: found.meets,
  };
}

/** The list of nodes with where it comes from, and everything in detail beside it. */
export function sensitivityFiles(
  out: string,
  model: string,
  result: Omit<SensitivityResult, 'files'>,
): [path: string, text: string][] {
  const { proposal, images, maxDrop, metric } = result;
  const { layerPrecisions: spelt, drop } = proposal;
  const comments = [
    `Nodes of ${basename(model)} to leave float, for quantize --exclude-file`,
    `Drop of ${metric} on ${images} images: ${Number(drop.toPrecision(4))} (allowed: ${maxDrop})`,
    ...(spelt === undefined
      ? []
      : [`build --layerPrecisions=${spelt} --precisionConstraints=obey`]),
  ];
  return [
    [out, excludeListText(proposal.exclude, comments)],
    [`${out}.json`, `${JSON.stringify(result, null, 2)}\n`],
  ];
}
