import type { Family } from './binding.js';

/** What `getInferLibVersion()` answers, as text: 8601 is 8.6.1, 101501 is 10.15.1, 10701 is 1.7.1. */
export function versionText(version: number): string {
  // Up to 8.6 the major version counts thousands, from 10 on ten thousands.
  const unit = version < 10_000 ? 1_000 : 10_000;
  return [Math.floor(version / unit), Math.floor((version % unit) / 100), version % 100].join('.');
}

/**
 * The family whose headers fit a library of this version; undefined when this package has none.
 * v-tables differ between families, so the native side checks this again.
 */
export function familyOfVersion(version: number): Family | undefined {
  if (version >= 8_600 && version < 8_700) return 'tensorrt8';
  if (version >= 10_500 && version < 20_000) return 'tensorrt_rtx';
  if (version >= 100_000 && version < 110_000) return 'tensorrt10';
  if (version >= 110_000 && version < 120_000) return 'tensorrt11';
  return undefined;
}

const TITLES: Readonly<Record<Family, string>> = {
  tensorrt8: 'TensorRT 8.6',
  tensorrt10: 'TensorRT 10',
  tensorrt11: 'TensorRT 11',
  tensorrt_rtx: 'TensorRT-RTX',
};

/** A family's name in messages. */
export function familyTitle(family: Family): string {
  return TITLES[family];
}

/** CUDA's version number as text: 12040 is 12.4. */
export function cudaVersionText(version: number): string {
  return `${Math.floor(version / 1000)}.${Math.floor((version % 1000) / 10)}`;
}
