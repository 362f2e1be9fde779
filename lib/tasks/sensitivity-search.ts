import type { AgreementScore } from './agreement.js';
import type { SensitivityUnit } from './sensitivity-units.js';

/** What a drop is measured in. */
export const SENSITIVITY_METRICS = ['agreement', 'distance'] as const;

/**
 * What a drop is measured in: `agreement`, the part of the images that get another class than FP32
 * gives them; `distance`, the mean difference of the outputs as a part of their mean magnitude.
 */
export type SensitivityMetric = (typeof SENSITIVITY_METRICS)[number];

/** What one layer or block costs. */
export interface UnitSensitivity extends SensitivityUnit {
  /** The score with this part float and everything else as it is. */
  score: AgreementScore;
  /** Agreement that its int8 form costs: this score's less that of the whole in int8. */
  agreementCost: number;
  /** Distance of the logits that its int8 form costs: that of the whole in int8 less this score's. */
  distanceCost: number;
}

/** The score of a model with these nodes float. */
export type ScoreOf = (units: readonly SensitivityUnit[]) => Promise<AgreementScore>;

/** How far a score is from FP32, by a metric. */
export function dropOf(score: AgreementScore, metric: SensitivityMetric): number {
  return metric === 'agreement' ? 1 - score.agreement : score.relativeDistance;
}

/** Parts by what they cost, dearest first; `metric` decides, the other breaks ties. */
export function ranked(
  units: readonly UnitSensitivity[],
  metric: SensitivityMetric,
): UnitSensitivity[] {
  const known = (cost: number) => (Number.isNaN(cost) ? Number.NEGATIVE_INFINITY : cost);
  const keys = ({ agreementCost, distanceCost }: UnitSensitivity) => {
    const costs = [known(agreementCost), known(distanceCost)];
    return metric === 'agreement' ? costs : costs.reverse();
  };
  return units.toSorted((a, b) => {
    const [firstA, secondA] = keys(a) as [number, number];
    const [firstB, secondB] = keys(b) as [number, number];
    return firstB - firstA || secondB - secondA;
  });
}

/** A set of parts to leave float. */
export interface FloatSet {
  /** The parts, dearest first. */
  units: readonly UnitSensitivity[];
  /** The score with all of them float. */
  score: AgreementScore;
}

/**
 * Adds parts in an order until the drop is small enough, then takes out what turns out not to be
 * needed. Each set on the way is really scored: what parts cost does not add up.
 *
 * @param order Parts, dearest first.
 * @param baseline The score with no part float.
 * @param meets Whether a score is good enough.
 * @param scoreOf Scores a set.
 * @param limit Sets of this size or above are of no use.
 * @returns The set, or the last one tried when none is good enough.
 */
async function grown(
  order: readonly UnitSensitivity[],
  baseline: AgreementScore,
  meets: (score: AgreementScore) => boolean,
  scoreOf: ScoreOf,
  limit: number,
): Promise<FloatSet> {
  let set: FloatSet = { units: [], score: baseline };
  for (const unit of order) {
    if (meets(set.score)) break;
    if (set.units.length + 1 >= limit) return set;
    const units = [...set.units, unit];
    set = { units, score: await scoreOf(units) };
  }
  if (!meets(set.score)) return set;
  for (const unit of [...set.units].reverse()) {
    const units = set.units.filter((other) => other !== unit);
    const score = units.length === 0 ? baseline : await scoreOf(units);
    if (meets(score)) set = { units, score };
  }
  return set;
}

/**
 * Looks for the smallest set of parts whose float form brings the drop down to `maxDrop`: by both
 * orders, that of agreement and that of distance, because on few images agreement alone is chance.
 *
 * @param units All parts with their costs.
 * @param baseline The score with no part float.
 * @param metric What the drop is measured in.
 * @param maxDrop Largest drop.
 * @param scoreOf Scores a set.
 */
export async function smallestSet(
  units: readonly UnitSensitivity[],
  baseline: AgreementScore,
  metric: SensitivityMetric,
  maxDrop: number,
  scoreOf: ScoreOf,
): Promise<FloatSet & { meets: boolean }> {
  // 1 − 0.99 is a little more than 0.01.
  const meets = (score: AgreementScore) => dropOf(score, metric) <= maxDrop + 1e-9;
  const other = metric === 'agreement' ? 'distance' : 'agreement';
  const first = await grown(
    ranked(units, metric),
    baseline,
    meets,
    scoreOf,
    Number.POSITIVE_INFINITY,
  );
  if (!meets(first.score)) return { ...first, meets: false };
  if (first.units.length <= 1) return { ...first, meets: true };
  const order = ranked(units, other);
  const second = await grown(order, baseline, meets, scoreOf, first.units.length);
  const better = meets(second.score) && second.units.length < first.units.length;
  return { ...(better ? second : first), meets: true };
}
