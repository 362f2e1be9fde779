import { TensorRTError } from '../../errors.js';
import type { CalibrationMeta } from '../meta.js';

/** A part of a calibration as far as joining parts is concerned. */
export interface CalibrationPart {
  /** Where it comes from. */
  readonly meta: CalibrationMeta | undefined;
  /** Its file or folder, for messages. */
  readonly source: string | undefined;
}

/**
 * Holds parts against each other: one model, one recipe, one method, and, when one of them says which
 * shard it is, one sample, of which every shard is there once.
 *
 * @throws TensorRTError `TABLE_MISMATCH`, or `TABLE_INCOMPLETE` when a shard is missing.
 */
export function checkParts(parts: readonly CalibrationPart[]): void {
  checkMetas(parts);
  checkShards(parts);
}

/** What all parts have in common, by the word for it. */
const SHARED: readonly (readonly [string, (meta: CalibrationMeta) => unknown])[] = [
  ['models', ({ model }) => model?.sha256],
  ['recipes', ({ recipe }) => recipe],
  ['methods', ({ method }) => method],
  ['samples', ({ sample, shard }) => shard && { ...sample, images: undefined }],
  ['batch sizes', ({ shard }) => shard?.batch],
];

/** What a part may leave unsaid. */
const LEFT_OUT: ReadonlySet<string> = new Set(['methods', 'samples', 'batch sizes']);

function checkMetas(tables: readonly CalibrationPart[]): void {
  const known = tables.filter((table) => table.meta !== undefined);
  const [first] = known;
  for (const table of known) {
    for (const [what, of] of SHARED) {
      const [a, b] = [of(first!.meta!), of(table.meta!)].map((value) => JSON.stringify(value));
      if (a === b) continue;
      // What a part does not say cannot be held against it; that it is no shard is said below.
      if (LEFT_OUT.has(what) && (a === undefined || b === undefined)) continue;
      throw new TensorRTError(
        'TABLE_MISMATCH',
        `${nameOf(first)} and ${nameOf(table)} were made with different ${what}`,
        {
          remedy: 'Merge only the shards of one run.',
          detail: [`${nameOf(first)}: ${a}`, `${nameOf(table)}: ${b}`],
        },
      );
    }
  }
}

function checkShards(tables: readonly CalibrationPart[]): void {
  const count = tables.find((table) => table.meta?.shard)?.meta?.shard?.count;
  if (count === undefined) return;
  const seen = new Map<number, CalibrationPart>();
  for (const table of tables) {
    const shard = table.meta?.shard;
    if (shard?.count !== count) {
      const found = shard === undefined ? 'no shard' : `a shard of ${shard.count}`;
      throw mismatch(`${nameOf(table)} is ${found}, where others are shards of ${count}`);
    }
    const twin = seen.get(shard.index);
    if (twin !== undefined) {
      const both = `${nameOf(twin)} and ${nameOf(table)}`;
      throw mismatch(`Shard ${shard.index}/${count} is there twice: ${both}`);
    }
    seen.set(shard.index, table);
  }
  const missing: string[] = [];
  for (let index = 1; index <= count; index += 1) {
    if (!seen.has(index)) missing.push(`${index}/${count}`);
  }
  if (missing.length > 0) {
    const which =
      missing.length === 1 ? `Shard ${missing[0]} is` : `Shards ${missing.join(', ')} are`;
    throw new TensorRTError('TABLE_INCOMPLETE', `${which} missing`, {
      remedy: 'Run the missing shards, then merge all of them.',
    });
  }
}

function mismatch(message: string): TensorRTError {
  return new TensorRTError('TABLE_MISMATCH', message, {
    remedy: 'Give each shard of one run once.',
  });
}

/** The provenance of all parts together; `undefined` when a part has none. */
export function mergeMetas(tables: readonly CalibrationPart[]): CalibrationMeta | undefined {
  const metas = tables.flatMap(({ meta }) => (meta === undefined ? [] : [meta]));
  if (metas.length < tables.length) return undefined;
  const { shard: _shard, files: _files, sample, created, ...meta } = metas[0] as CalibrationMeta;
  const merged: CalibrationMeta = { ...meta };
  if (sample !== undefined) {
    const { filesSha256, total, ...asked } = sample;
    const images = metas.reduce((sum, other) => sum + (other.sample?.images ?? 0), 0);
    // The digest is that of all images, so it holds unless some were left out.
    const sameFiles = metas.every((other) => other.sample?.filesSha256 === filesSha256);
    const whole = sameFiles && (total === undefined || total === images);
    merged.sample = {
      ...asked,
      images,
      ...(whole && filesSha256 !== undefined ? { filesSha256 } : {}),
    };
  }
  if (created !== undefined) {
    const times = metas.flatMap((other) => other.created ?? []);
    merged.created = times.sort().at(-1)!;
  }
  return merged;
}

/** What else a user should know of the parts: versions that differ. */
export function partWarnings(parts: readonly CalibrationPart[]): string[] {
  const [first, ...others] = parts;
  const text = ({ meta }: CalibrationPart) => JSON.stringify(meta?.versions);
  const other = others.find((part) => first !== undefined && text(part) !== text(first));
  if (first === undefined || other === undefined) return [];
  return [
    `${nameOf(first)} was computed by ${text(first)}, ${nameOf(other)} by ${text(other)}: ` +
      'the ranges may differ from those of one run by rounding',
  ];
}

/** The name of a part for messages. */
export function nameOf(part: CalibrationPart | undefined): string {
  return part?.source ?? 'a table';
}
