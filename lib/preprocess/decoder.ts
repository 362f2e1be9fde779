import { type ChildProcess, spawn } from 'node:child_process';
import { close, ftruncate, read } from 'node:fs';
import { promisify } from 'node:util';
import { openUnnamed } from '../files.js';
import type { ReadResult } from './image.js';
import type { PixelMemory } from './pixel-memory.js';
import type { Recipe } from './recipe.js';

/** What a decoder process is asked: to leave the pixels of an image in a file that both have open. */
export interface DecodeRequest {
  /** Comes back with the reply. */
  slot: number;
  /** The file, as the decoder process numbers it. */
  fd: number;
  /** Absolute path of the image. */
  path: string;
  /** What is done to it. */
  recipe: Recipe;
}

/** What it answers; without `image` when that was not to be had. */
export interface DecodeReply {
  slot: number;
  image?: { width: number; height: number; decodedBytes: number };
}

/** Standard streams and the channel come before the files. */
const FIRST_FILE = 4;
/** Images beyond one for each thread, so that a thread finds the next one waiting. */
const WAITING = 2;
/** What a slot may keep of its memory for the next image. */
const KEPT_BYTES = 2 ** 20;

const readAt = promisify(read);
const truncate = promisify(ftruncate);

/** The environment of a decoder process. */
function environment(threads: number): NodeJS.ProcessEnv {
  const { NODE_OPTIONS, ...rest } = process.env;
  return {
    ...rest,
    // A debugger's port can be had once; loaders, which may be needed to find sharp, stay.
    ...(NODE_OPTIONS === undefined
      ? {}
      : { NODE_OPTIONS: NODE_OPTIONS.replace(/(^|\s)--inspect\S*/g, '') }),
    UV_THREADPOOL_SIZE: String(threads),
    ELECTRON_RUN_AS_NODE: '1',
  };
}

/**
 * A process that decodes images. Only a few words about an image go through its channel; the pixels lie in
 * files without a name, in memory where there is such a folder, which libuv's pool reads: pixels
 * through a pipe would cost the thread of JavaScript several times as much.
 *
 * Whatever goes wrong, {@link Decoder.decode} gives `undefined`, and the caller reads the image itself.
 */
export class Decoder {
  readonly #child: ChildProcess;
  readonly #files: number[] = [];
  readonly #free: number[];
  readonly #asked = new Map<number, (image: DecodeReply['image']) => void>();
  readonly #onChange: () => void;
  #state: 'starting' | 'ready' | 'ended' = 'starting';

  /**
   * @param entry The compiled decoder-process.js.
   * @param threads Threads that decode.
   * @param onChange Told when the process is ready or has ended, and when a slot is free again.
   * @throws What the system says when there can be no such process.
   */
  constructor(entry: string, threads: number, onChange: () => void) {
    this.#onChange = onChange;
    const slots = threads + WAITING;
    try {
      while (this.#files.length < slots) this.#files.push(openUnnamed(slots * KEPT_BYTES));
      this.#child = spawn(process.execPath, [entry], {
        env: environment(threads),
        stdio: ['ignore', 'ignore', 'ignore', 'ipc', ...this.#files],
      });
    } catch (error) {
      for (const file of this.#files) close(file);
      throw error;
    }
    this.#free = [...this.#files.keys()];
    this.#child.on('message', (message: DecodeReply | 'ready') => {
      if (message !== 'ready') return this.#answer(message);
      if (this.#state === 'starting') this.#state = 'ready';
      this.#onChange();
    });
    this.#child.once('error', () => this.end());
    this.#child.once('exit', () => this.end());
    // Neither keeps the program alive, except while an answer is awaited.
    this.#child.unref();
    this.#child.channel?.unref();
  }

  /** Of the process, for tests. */
  get pid(): number | undefined {
    return this.#child.pid;
  }

  get state(): 'starting' | 'ready' | 'ended' {
    return this.#state;
  }

  /** How many images it takes now. */
  get free(): number {
    return this.#state === 'ready' ? this.#free.length : 0;
  }

  /** Ends the process, which has nothing to lose, and what it was asked. */
  end(): void {
    if (this.#state === 'ended') return;
    this.#state = 'ended';
    this.#child.kill('SIGKILL');
    for (const slot of this.#free.splice(0)) close(this.#files[slot]!);
    for (const slot of [...this.#asked.keys()]) this.#answer({ slot });
    this.#onChange();
  }

  /**
   * Reads an image there. To be called only while `free` is not 0.
   *
   * @param path Absolute path.
   * @param recipe What is done to the image.
   * @param signal Spares the pixels the way here.
   * @param memory Gives the memory for the pixels.
   */
  async decode(
    path: string,
    recipe: Recipe,
    signal: AbortSignal | undefined,
    memory: PixelMemory,
  ): Promise<ReadResult | undefined> {
    const slot = this.#free.pop()!;
    try {
      const image = await this.#ask(slot, path, recipe);
      if (image === undefined || signal?.aborted) return undefined;
      const { width, height, decodedBytes } = image;
      const data = memory.take(width * height * 3);
      if (await this.#fetch(slot, data)) return { pixels: { data, width, height }, decodedBytes };
      memory.give(data);
      return undefined;
    } finally {
      this.#release(slot);
    }
  }

  #ask(slot: number, path: string, recipe: Recipe): Promise<DecodeReply['image']> {
    const request: DecodeRequest = { slot, fd: FIRST_FILE + slot, path, recipe };
    return new Promise((resolve) => {
      if (this.#asked.size === 0) this.#child.channel?.ref();
      this.#asked.set(slot, resolve);
      this.#child.send(request, (error) => {
        if (error !== null) this.#answer({ slot });
      });
    });
  }

  #answer({ slot, image }: DecodeReply): void {
    const resolve = this.#asked.get(slot);
    this.#asked.delete(slot);
    if (this.#asked.size === 0) this.#child.channel?.unref();
    resolve?.(image);
  }

  /** Whether the pixels could be read. */
  async #fetch(slot: number, data: Uint8Array): Promise<boolean> {
    const file = this.#files[slot]!;
    const { length } = data;
    try {
      for (let at = 0; at < length; ) {
        const { bytesRead } = await readAt(file, data, at, length - at, at);
        if (bytesRead === 0) return false;
        at += bytesRead;
      }
      if (length > KEPT_BYTES) await truncate(file, 0);
      return true;
    } catch {
      return false;
    }
  }

  #release(slot: number): void {
    if (this.#state === 'ended') close(this.#files[slot]!);
    else this.#free.push(slot);
    this.#onChange();
  }
}
