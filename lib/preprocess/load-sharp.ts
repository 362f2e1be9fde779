import type SharpConstructor from 'sharp';

type Sharp = typeof SharpConstructor;

let loading: Promise<Sharp> | undefined;

/**
 * sharp, loaded by the first image: what needs no images must start without libvips. libvips is
 * told to use one thread for an image, because the images of a batch are decoded side by side.
 */
export function loadSharp(): Promise<Sharp> {
  loading ??= import('sharp').then(({ default: sharp }) => {
    sharp.concurrency(1);
    return sharp;
  });
  return loading;
}
