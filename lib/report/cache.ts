import { type CacheEntry, type CacheExplanation, optionName, valueText } from '../engine/index.js';
import { textTable } from './text-table.js';
import { formatBytes, formatDuration } from './units.js';

const DAY = 86_400_000;
/** Digits of a key that are shown. */
const PREFIX = 12;
/** Engines that `cache why` compares with. */
const COMPARED = 3;

/** `3 d`, or as {@link formatDuration} below a day. */
function ageText(ms: number): string {
  return ms < DAY ? formatDuration(Math.max(ms, 0)) : `${Math.floor(ms / DAY)} d`;
}

/** Options that are worth a place in a table: all but those every engine has. */
function optionsText(options: Readonly<Record<string, unknown>>): string {
  const parts = Object.entries(options).flatMap(([name, value]) => {
    if (value === false || name === 'computeCapabilities') return [];
    if (name === 'profilingVerbosity' && value === 'detailed') return [];
    if (Array.isArray(value) && value.length === 0) return [];
    if (name === 'flags') return [valueText(value)];
    return value === true ? [optionName(name)] : [`${optionName(name)}=${valueText(value)}`];
  });
  return parts.join(' ');
}

function row(entry: CacheEntry, now: number): string[] {
  const { manifest } = entry;
  const size = formatBytes(entry.bytes);
  const used = ageText(now - entry.lastUsed);
  const key = entry.key.slice(0, PREFIX);
  if (manifest?.keyParts === undefined) return [key, '?', '', '', size, '?', used, 'unusable'];
  const { library, keyParts } = manifest;
  const { gpu, options } = keyParts;
  const capabilities = options.computeCapabilities as readonly number[] | undefined;
  return [
    key,
    manifest.model.file ?? manifest.model.sha256.slice(0, PREFIX),
    `${library.family} ${library.version}`,
    gpu?.name ?? capabilities?.join(',') ?? 'any',
    size,
    ageText(now - Date.parse(manifest.created)),
    used,
    optionsText(options),
  ];
}

/**
 * The engines of a cache as a table, with their number and size below.
 *
 * @param folder Folder of the cache.
 * @param entries Its engines.
 * @param now Milliseconds since 1970, for the ages.
 */
export function cacheText(folder: string, entries: readonly CacheEntry[], now: number): string {
  if (entries.length === 0) return `${folder}: no engines`;
  const header = ['key', 'model', 'library', 'GPU', 'size', 'built', 'used', 'options'];
  const align = ['left', 'left', 'left', 'left', 'right', 'right', 'right', 'left'] as const;
  const total = entries.reduce((sum, { bytes }) => sum + bytes, 0);
  const engines = entries.length === 1 ? '1 engine' : `${entries.length} engines`;
  return [
    textTable(
      entries.map((entry) => row(entry, now)),
      align,
      header,
    ),
    `${folder}: ${engines}, ${formatBytes(total)}; built and used so long ago`,
  ].join('\n');
}

/** Why an engine is, or is not, taken from the cache. */
export function cacheExplanationText({ folder, hit, reason, key, near }: CacheExplanation): string {
  const lines = [`${folder}: ${hit ? 'reused' : 'not reused'}, because ${reason}`];
  if (key !== undefined) lines.push(`key ${key}`);
  if (!hit && near.length === 0) lines.push('No engine of this model is in the cache.');
  for (const { entry, differences } of hit ? [] : near.slice(0, COMPARED)) {
    lines.push(`${entry.key.slice(0, PREFIX)} differs:`);
    lines.push(...differences.map(({ text }) => `  ${text}`));
  }
  if (!hit && near.length > COMPARED) lines.push(`and ${near.length - COMPARED} more`);
  return lines.join('\n');
}
