import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isUrl, listImages, readFileList, sampleFiles } from '../dataset/index.js';
import { defined } from '../defined.js';
import { TensorRTError } from '../errors.js';
import type { LongCallOptions } from '../progress.js';

/** Which images a task takes. */
export interface ImageSourceOptions {
  /** Folder of the images. */
  images: string;
  /**
   * Path of a list, one path a line relative to `images`, in place of the folder's own listing: the
   * order of the list is kept.
   */
  files?: string;
  /** Part of the images to take, over 0 and at most 1. */
  fraction?: number;
  /** Number of images to take. */
  count?: number;
  /** Seed of the sampling; 1234 by default. */
  seed?: number | bigint;
  /** Take the same part of every class folder. */
  stratified?: boolean;
  /** Extensions that count as images. */
  extensions?: readonly string[];
}

/** The images of a task. */
export interface ImageSource {
  /** Folder that the paths are relative to. */
  root: string;
  /** Paths, in the order they are used. */
  paths: string[];
  /** How many there were before sampling. */
  available: number;
  /** The part that was taken, when the sample is a part. */
  fraction?: number;
}

/** Part of a folder that calibration takes when nothing is said: the notebook's. */
export const DEFAULT_FRACTION = 0.05;

/**
 * Lists images, or reads their list, and takes a sample when one is asked for.
 *
 * @param options Which images.
 * @param call Progress and abort signal.
 * @throws TensorRTError `FOLDER_UNREADABLE`, `FILE_NOT_FOUND`, `IMAGES_NOT_FOUND`.
 */
export async function imageSource(
  options: ImageSourceOptions,
  call: LongCallOptions = {},
): Promise<ImageSource> {
  const { images, files, extensions, fraction, count, seed, stratified } = options;
  const sample = {
    ...defined({ fraction, count, seed, stratified }),
  };
  const all =
    files === undefined
      ? await listImages(images, { ...call, ...defined({ extensions }) })
      : await readFileList(files);
  const paths = sampleFiles(all, sample);
  if (paths.length === 0) {
    throw new TensorRTError(
      'IMAGES_NOT_FOUND',
      `${fraction} of ${all.length} images in ${images} is less than one`,
      { remedy: 'Take a larger fraction, or give a count.' },
    );
  }
  return {
    root: images,
    paths,
    available: all.length,
    ...defined({ fraction }),
  };
}

/** {@link imageSource} for calibration: a folder without a list is sampled by default. */
export function calibrationSource(
  options: ImageSourceOptions,
  call: LongCallOptions = {},
): Promise<ImageSource> {
  const { files, fraction, count } = options;
  const sampled = files !== undefined || fraction !== undefined || count !== undefined;
  return imageSource(sampled ? options : { ...options, fraction: DEFAULT_FRACTION }, call);
}

/**
 * Images by path, address or folder: folders are replaced by the images in them, at any depth.
 *
 * @param sources Paths and http(s) addresses.
 * @param call Progress and abort signal.
 * @throws TensorRTError `FOLDER_UNREADABLE`, `IMAGES_NOT_FOUND` for a folder without images.
 */
export async function expandImages(
  sources: readonly string[],
  call: LongCallOptions = {},
): Promise<string[]> {
  const result: string[] = [];
  for (const source of sources) {
    const isFolder =
      !isUrl(source) && (await stat(source).catch(() => undefined))?.isDirectory() === true;
    if (!isFolder) result.push(source);
    else for (const path of await listImages(source, call)) result.push(join(source, path));
  }
  return result;
}
