import { ByteBuffer } from 'flatbuffers';
import { decodeText, invalid } from './text.js';

/**
 * A FlatBuffer whose every offset is checked before it is followed. The flatbuffers package has no
 * verifier: on a damaged file it would read zeros or someone else's bytes.
 */
export class CheckedBuffer {
  private readonly bytes: Uint8Array;
  private readonly source: string;
  private readonly buffer: ByteBuffer;
  private readonly length: number;
  private stringBytes = 0;

  /**
   * @param bytes The file.
   * @param source Its name, for messages.
   */
  constructor(bytes: Uint8Array, source: string) {
    this.bytes = bytes;
    this.source = source;
    this.buffer = new ByteBuffer(bytes);
    this.length = bytes.length;
  }

  /** Position of the root table. */
  root(): number {
    return this.follow(0);
  }

  /** Position that field number `index` of the table at `table` leads to; `undefined` when absent. */
  field(table: number, index: number): number | undefined {
    this.check(table, 4);
    const vtable = table - this.buffer.readInt32(table);
    this.check(vtable, 4);
    const size = this.buffer.readUint16(vtable);
    this.check(vtable, Math.max(size, 4));
    const slot = 4 + 2 * index;
    if (slot + 2 > size) return undefined;
    const offset = this.buffer.readUint16(vtable + slot);
    return offset === 0 ? undefined : this.follow(table + offset);
  }

  /** Positions of the tables in the vector at `vector`. */
  *vector(vector: number): Generator<number> {
    this.check(vector, 4);
    const count = this.buffer.readUint32(vector);
    this.check(vector + 4, 4 * count);
    for (let i = 0; i < count; i += 1) yield this.follow(vector + 4 + 4 * i);
  }

  /** The string at `position`. */
  string(position: number): string {
    this.check(position, 4);
    const length = this.buffer.readUint32(position);
    this.check(position + 4, length);
    // Many entries that point at one long string would take time out of proportion to the file.
    this.stringBytes += length;
    if (this.stringBytes > 4 * this.length + 1024) {
      throw invalid(this.source, 'Its strings add up to more than the file could hold');
    }
    return decodeText(this.bytes.subarray(position + 4, position + 4 + length), this.source);
  }

  private follow(position: number): number {
    this.check(position, 4);
    return position + this.buffer.readUint32(position);
  }

  private check(position: number, size: number): void {
    if (position < 0 || position + size > this.length) {
      throw invalid(
        this.source,
        `Not a calibration FlatBuffer: it needs ${size} bytes at ${position}, of ${this.length}`,
      );
    }
  }
}
