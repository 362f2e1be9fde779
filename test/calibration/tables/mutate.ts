/** A generator of numbers in [0, 1) that gives the same for a seed on every machine. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const SPECIAL_BYTES = [
  0x00, 0xff, 0x7f, 0x80, 0x22, 0x5b, 0x5d, 0x7b, 0x7d, 0x2c, 0x3a, 0x20, 0x0a,
];
const SPECIAL_WORDS = [0, 1, 4, 0x7fffffff, 0x80000000, 0xffffffff, 0xfffffff0, 0x10000];

/** The bytes with one to eight kinds of damage: flips, cuts, repeats, moved and foreign pieces. */
export function mutate(
  source: Uint8Array,
  random: () => number,
  others: readonly Uint8Array[],
): Uint8Array {
  let bytes: Uint8Array = source.slice();
  const below = (limit: number) => Math.floor(random() * limit);
  const rounds = 1 + below(8);
  for (let round = 0; round < rounds; round += 1) {
    const at = below(bytes.length + 1);
    const length = below(Math.min(64, bytes.length - at) + 1);
    const head = bytes.subarray(0, at);
    switch (below(8)) {
      case 0:
        if (at < bytes.length) bytes[at] = (bytes[at] as number) ^ (1 << below(8));
        break;
      case 1:
        if (at < bytes.length) bytes[at] = SPECIAL_BYTES[below(SPECIAL_BYTES.length)] as number;
        break;
      case 2: {
        const place = at & ~3;
        const word = SPECIAL_WORDS[below(SPECIAL_WORDS.length)] as number;
        if (place + 4 <= bytes.length) {
          new DataView(bytes.buffer, bytes.byteOffset).setUint32(place, word, true);
        }
        break;
      }
      case 3:
        bytes = head.slice();
        break;
      case 4:
        bytes = join(head, bytes.subarray(at + length));
        break;
      case 5: {
        const piece = bytes.subarray(at, at + length);
        bytes = join(head, ...new Array<Uint8Array>(1 + below(20)).fill(piece), bytes.subarray(at));
        break;
      }
      case 6: {
        const other = others[below(others.length)] as Uint8Array;
        const from = below(other.length + 1);
        bytes = join(head, other.subarray(from, from + 64), bytes.subarray(at));
        break;
      }
      case 7:
        bytes = join(
          head,
          Uint8Array.from({ length: 1 + below(8) }, () => below(256)),
          bytes.subarray(at),
        );
        break;
    }
  }
  return bytes;
}

function join(...pieces: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(pieces));
}
