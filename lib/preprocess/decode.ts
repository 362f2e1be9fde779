import type { Sharp, SharpOptions } from 'sharp';
import { messageOf, TensorRTError } from '../errors.js';
import { decodeBmp } from './bmp.js';
import { loadSharp } from './load-sharp.js';
import type { Pixels } from './resample.js';
import { decodeSmallPng } from './small-png.js';
import { type Flavor, sniff } from './sniff.js';

/**
 * - `failOn: 'error'`: truncated and broken data is an error, as with Pillow, which on the other
 *   hand takes what the decoder only warns about.
 * - `ignoreIcc`: Pillow's `convert('RGB')` does not apply embedded profiles.
 */
const INPUT: SharpOptions = { failOn: 'error', ignoreIcc: true };

/** Decodes to RGB bytes as Pillow's `Image.open(…).convert('RGB')` does. */
async function toRgb(image: Sharp, flavor: Flavor): Promise<Pixels> {
  if (flavor === 'cmyk') {
    const { data, info } = await image
      .pipelineColourspace('cmyk')
      .toColourspace('cmyk')
      .raw()
      .toBuffer({ resolveWithObject: true });
    return { data: cmykToRgb(data, info.channels), width: info.width, height: info.height };
  }
  if (flavor === 'grey16') {
    const { data, info } = await image
      .removeAlpha()
      .toColourspace('grey16')
      .raw({ depth: 'ushort' })
      .toBuffer({ resolveWithObject: true });
    return { data: grey16ToRgb(data), width: info.width, height: info.height };
  }
  // Alpha is dropped in a step of its own: sharp would blend it into the colours while resizing.
  const { data, info } = await image
    .removeAlpha()
    .toColourspace('srgb')
    .raw()
    .toBuffer({ resolveWithObject: true });
  if (info.channels !== 3) throw new Error(`it decodes to ${info.channels} channels`);
  return { data: plain(data), width: info.width, height: info.height };
}

/** Without Node's Buffer, whose `slice` does not copy as a Uint8Array's does. */
function plain(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length);
}

/** Pillow's formula, which knows no profile: paper minus black, minus ink where there is paper. */
function cmykToRgb(cmyk: Uint8Array, channels: number): Uint8Array {
  const pixels = cmyk.length / channels;
  const rgb = new Uint8Array(pixels * 3);
  for (let i = 0; i < pixels; i++) {
    const paper = 255 - cmyk[i * channels + 3]!;
    for (let c = 0; c < 3; c++) {
      const product = cmyk[i * channels + c]! * paper + 128;
      // (x + (x >> 8)) >> 8 is Pillow's division by 255, rounded.
      rgb[i * 3 + c] = paper - (((product >> 8) + product) >> 8);
    }
  }
  return rgb;
}

/** Pillow clips 16-bit grey at 255 (and takes the high byte of 16-bit colour, as libvips does). */
function grey16ToRgb(bytes: Uint8Array): Uint8Array {
  // Copied, because a Buffer may begin at an odd address.
  const values = new Uint16Array(new Uint8Array(bytes).buffer);
  const rgb = new Uint8Array(values.length * 3);
  for (let i = 0; i < values.length; i++) rgb.fill(Math.min(255, values[i]!), i * 3, i * 3 + 3);
  return rgb;
}

async function tiffFlavor(image: Sharp): Promise<Flavor> {
  const { space, channels } = await image.metadata();
  if (space === 'cmyk') return 'cmyk';
  return space === 'grey16' && channels === 1 ? 'grey16' : 'plain';
}

/**
 * Decodes an image to 8-bit RGB, pixel for pixel as Pillow's `Image.open(…).convert('RGB')` gives
 * it: embedded profiles ignored, alpha dropped and not blended, CMYK by Pillow's formula, 16-bit
 * colour by its high byte and 16-bit grey clipped; the first page or frame of several.
 *
 * @param bytes The file's contents.
 * @param name What to call the image in messages.
 * @param autoOrient Whether to turn it as its EXIF orientation says.
 * @throws TensorRTError `IMAGE_INVALID`.
 */
export async function decodeImage(
  bytes: Uint8Array,
  name: string,
  autoOrient: boolean,
): Promise<Pixels> {
  const small = autoOrient ? undefined : decodeSmallPng(bytes);
  if (small !== undefined) return small;
  const sharp = await loadSharp();
  try {
    let flavor = sniff(bytes);
    if (flavor === 'bmp') return decodeBmp(bytes);
    const open = () => (autoOrient ? sharp(bytes, INPUT).autoOrient() : sharp(bytes, INPUT));
    if (flavor === 'unknown-tiff') flavor = await tiffFlavor(open());
    return await toRgb(open(), flavor);
  } catch (error) {
    throw imageInvalid(name, messageOf(error), error);
  }
}

/** The error for an image that cannot be had; the decoder's lines after the first go to `detail`. */
export function imageInvalid(name: string, why: string, cause: unknown): TensorRTError {
  const [first = '', ...detail] = why.split('\n').filter((line) => line.trim() !== '');
  return new TensorRTError('IMAGE_INVALID', `Cannot read image ${name}: ${first}`, {
    remedy: 'Replace the file, or leave broken images out with --skip-broken.',
    detail,
    cause,
  });
}
