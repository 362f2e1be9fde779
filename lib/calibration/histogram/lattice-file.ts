import { messageOf, TensorRTError } from '../../errors.js';
import { invalid } from '../tables/text.js';
import { TABLE_FILES } from '../tables/write.js';
import { LATTICE_HALF, LatticeHistogram } from './lattice.js';
import { LatticeCalibration } from './lattice-calibration.js';

/** Name of the file that holds the histograms of a part of a calibration. */
export const LATTICE_FILE: string = TABLE_FILES.histograms;

const MAGIC = 'TRTNHST2';

interface Header {
  options: ConstructorParameters<typeof LatticeCalibration>[0];
  tensors: {
    name: string;
    exponent: number;
    /** Lowest, highest and smallest as float32 bits, because JSON has no infinity. */
    bounds: number[];
    nan: boolean;
    /** Values that are 0; no bin counts them. */
    zeros: number;
    /** First bin that is not empty, and the number of bins stored from there on. */
    first: number;
    length: number;
  }[];
}

/**
 * The bytes of calibration.histograms: eight bytes of magic, the length of a JSON header as uint32,
 * the header padded with spaces to a multiple of 8, then the counts of each tensor's occupied bins as
 * float64. Little-endian.
 *
 * @param part A part of a calibration.
 */
export function encodeLattices(part: LatticeCalibration): Uint8Array {
  const counts: Float64Array[] = [];
  const header: Header = { options: part.options, tensors: [] };
  for (const [name, histogram] of part.histograms) {
    const { lowest, highest, smallest, nan } = histogram.bounds;
    const first = histogram.counts.findIndex((count) => count !== 0);
    const last = histogram.counts.findLastIndex((count) => count !== 0);
    const occupied = histogram.counts.subarray(Math.max(first, 0), last + 1);
    counts.push(occupied);
    header.tensors.push({
      name,
      exponent: histogram.exponent,
      bounds: Array.from(new Uint32Array(Float32Array.of(lowest, highest, smallest).buffer)),
      nan,
      zeros: histogram.zeros,
      first: Math.max(first, 0),
      length: occupied.length,
    });
  }
  const text = Buffer.from(JSON.stringify(header));
  const padded = Buffer.concat([text, Buffer.alloc((12 - (text.length % 8)) % 8, ' ')]);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(padded.length);
  const pieces = counts.map((one) => new Uint8Array(one.buffer, one.byteOffset, one.byteLength));
  return new Uint8Array(Buffer.concat([Buffer.from(MAGIC), length, padded, ...pieces]));
}

/**
 * Reads a calibration.histograms.
 *
 * @param bytes The file.
 * @param source Its name, for messages.
 * @throws TensorRTError `TABLE_INVALID`.
 */
export function decodeLattices(bytes: Uint8Array, source = LATTICE_FILE): LatticeCalibration {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (file.toString('latin1', 0, 8) !== MAGIC || file.length < 12) {
    throw invalid(source, 'Not a file of histograms');
  }
  const start = 12 + file.readUInt32LE(8);
  if (start > file.length) throw invalid(source, 'The file is cut short');
  try {
    const header = JSON.parse(file.toString('utf8', 12, start)) as Header;
    const part = new LatticeCalibration(header.options);
    let position = start;
    for (const tensor of header.tensors) {
      if (part.histograms.has(tensor.name)) throw new Error(`${tensor.name} occurs twice`);
      part.histograms.set(tensor.name, decodeTensor(tensor, file, position));
      position += 8 * tensor.length;
    }
    if (position !== file.length) throw new Error('the file is longer than its header says');
    return part;
  } catch (error) {
    if (error instanceof TensorRTError) throw error;
    throw invalid(source, `Damaged: ${messageOf(error)}`, error);
  }
}

function decodeTensor(
  tensor: Header['tensors'][number],
  file: Buffer,
  position: number,
): LatticeHistogram {
  const { name, exponent, bounds, nan, zeros, first, length } = tensor;
  const whole = [exponent, zeros, first, length, ...bounds].every(Number.isSafeInteger);
  const fits = exponent >= -149 && exponent <= 113 && first >= 0 && length >= 0 && zeros >= 0;
  if (typeof name !== 'string' || !whole || !fits || bounds.length !== 3) {
    throw new Error('a tensor in the header is malformed');
  }
  if (first + length > 2 * LATTICE_HALF || position + 8 * length > file.length) {
    throw new Error(`the counts of ${name} are cut short`);
  }
  const histogram = new LatticeHistogram();
  const [lowest, highest, smallest] = new Float32Array(
    Uint32Array.from(bounds).buffer,
  ) as unknown as [number, number, number];
  histogram.bounds = { lowest, highest, smallest, nan: nan === true };
  histogram.exponent = exponent;
  histogram.zeros = zeros;
  for (let i = 0; i < length; i += 1) {
    const count = file.readDoubleLE(position + 8 * i);
    if (!(Number.isSafeInteger(count) && count >= 0))
      throw new Error(`a count of ${name} is wrong`);
    histogram.counts[first + i] = count;
  }
  return histogram;
}
