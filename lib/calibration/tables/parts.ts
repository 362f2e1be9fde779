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
 * Holds parts against each other: one model, one recipe, and, when one of them says which shard it is,
 * every shard once.
 *
 * @throws TensorRTError `TABLE_MISMATCH`, or `TABLE_INCOMPLETE` when a shard is missing.
 */
export function checkParts(parts: readonly CalibrationPart[]): void {
  checkMetas(parts);
  checkShards(parts);
}

function checkMetas(tables: readonly CalibrationPart[]): void {
  const known = tables.filter((table) => table.meta !== undefined);
  for (const table of known) {
    const [a, b] = [known[0]?.meta, table.meta];
    const differs =
      a?.model?.sha256 !== b?.model?.sha256
        ? 'models'
        : JSON.stringify(a?.recipe) !== JSON.stringify(b?.recipe)
          ? 'recipes'
          : undefined;
    if (differs === undefined) continue;
    throw new TensorRTError(
      'TABLE_MISMATCH',
      `${nameOf(known[0])} and ${nameOf(table)} were made with different ${differs}`,
      { remedy: 'Merge only the parts of one calibration.' },
    );
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
      remedy: 'Calibrate the missing parts, then merge all of them.',
    });
  }
}

function mismatch(message: string): TensorRTError {
  return new TensorRTError('TABLE_MISMATCH', message, {
    remedy: 'Give each part of one calibration once.',
  });
}

/** The provenance of all parts together; `undefined` when a part has none. */
export function mergeMetas(tables: readonly CalibrationPart[]): CalibrationMeta | undefined {
  const metas = tables.map((table) => table.meta);
  if (metas.some((meta) => meta === undefined)) return undefined;
  const { shard: _shard, files: _files, sample, ...meta } = metas[0] as CalibrationMeta;
  if (sample === undefined) return meta;
  const { filesSha256, ...asked } = sample;
  const sameFiles = metas.every((other) => other?.sample?.filesSha256 === filesSha256);
  const images = metas.reduce((sum, other) => sum + (other?.sample?.images ?? 0), 0);
  return {
    ...meta,
    sample: {
      ...asked,
      images,
      ...(sameFiles && filesSha256 !== undefined ? { filesSha256 } : {}),
    },
  };
}

/** The name of a part for messages. */
export function nameOf(part: CalibrationPart | undefined): string {
  return part?.source ?? 'a table';
}
