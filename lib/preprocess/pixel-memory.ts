/** Free memory that is kept, in bytes. */
const MOST_KEPT = 32 * 2 ** 20;
/** Sizes are rounded up to this, so that images that are nearly as large find memory, too. */
const STEP = 64 * 2 ** 10;

/**
 * Memory of images that are done with, for the next ones: fresh memory would cost the kernel's work for
 * each of its pages, and a full garbage collection for every hundred images or so.
 */
export class PixelMemory {
  /** By size. */
  readonly #free = new Map<number, ArrayBuffer[]>();
  readonly #own = new WeakSet<ArrayBufferLike>();
  #kept = 0;

  /** Memory for an image. What it holds is undefined. */
  take(bytes: number): Uint8Array<ArrayBuffer> {
    const size = Math.ceil(bytes / STEP) * STEP;
    let buffer = this.#free.get(size)?.pop();
    if (buffer === undefined) {
      buffer = Buffer.allocUnsafeSlow(size).buffer;
      this.#own.add(buffer);
    } else {
      this.#kept -= size;
    }
    return new Uint8Array(buffer, 0, bytes);
  }

  /** Takes memory back that nobody looks at any more; leaves alone what does not come from here. */
  give({ buffer }: Uint8Array): void {
    const size = buffer.byteLength;
    if (!this.#own.has(buffer) || this.#kept + size > MOST_KEPT) return;
    const free = this.#free.get(size) ?? [];
    this.#free.set(size, free);
    free.push(buffer as ArrayBuffer);
    this.#kept += size;
  }
}
