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
  /** A file in memory and one for what finds no room there, as the decoder process numbers them. */
  files: readonly [memory: number, disk: number];
  /** Absolute path of the image. */
  path: string;
  /** What is done to it. */
  recipe: Recipe;
}

/** What it answers; without `image` when that was not to be had. */
export interface DecodeReply {
  slot: number;
  /** `file` is the one of the two that has the pixels. */
  image?: { width: number; height: number; decodedBytes: number; file: 0 | 1 };
}

/** Standard streams and the channel come before the files. */
const FIRST_FILE = 4;
/** Images beyond one for each thread, so that a thread finds the next one waiting. */
const WAITING = 2;
/** What a slot may keep of its memory for the next image. */
const KEPT_BYTES = 2 ** 20;
/** How often it is looked whether a process that was asked for images still answers, in milliseconds. */
const LOOK_MS = 1000;
/**
 * Looks without an answer after which a process counts as stopped. They are counted because time goes on
 * while this process is stopped, too; an image that does take so long is read in this process.
 */
const MOST_SILENT = 20;

/** What tests change about a {@link Decoder}. */
export interface DecoderOptions {
  /** Opens the file for the pixels of one image at a time. */
  openMemory?: (room: number) => number;
  /** Opens the file for pixels that find no room there. */
  openDisk?: () => number;
  /** How often it is looked whether the process still answers, in milliseconds. */
  lookMs?: number;
}

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
  /** Two for each slot: in memory, and on disk. */
  readonly #files: [memory: number, disk: number][] = [];
  readonly #free: number[];
  readonly #asked = new Map<number, (image: DecodeReply['image']) => void>();
  readonly #onChange: () => void;
  readonly #lookMs: number;
  #state: 'starting' | 'ready' | 'ended' = 'starting';
  #watch: NodeJS.Timeout | undefined;
  #silent = 0;

  /**
   * @param entry The compiled decoder-process.js.
   * @param threads Threads that decode.
   * @param onChange Told when the process is ready or has ended, and when a slot is free again.
   * @param options What tests change.
   * @throws What the system says when there can be no such process.
   */
  constructor(
    entry: string,
    threads: number,
    onChange: () => void,
    { openMemory = openUnnamed, openDisk = openUnnamed, lookMs = LOOK_MS }: DecoderOptions = {},
  ) {
    this.#onChange = onChange;
    this.#lookMs = lookMs;
    const slots = threads + WAITING;
    const opened: number[] = [];
    const keep = (file: number) => {
      opened.push(file);
      return file;
    };
    const memory = () => keep(openMemory(slots * KEPT_BYTES));
    const disk = () => {
      try {
        return keep(openDisk());
      } catch {
        // A container may have no folder for temporary files.
        return memory();
      }
    };
    try {
      while (this.#files.length < slots) this.#files.push([memory(), disk()]);
      this.#child = spawn(process.execPath, [entry], {
        env: environment(threads),
        stdio: ['ignore', 'ignore', 'ignore', 'ipc', ...opened],
      });
    } catch (error) {
      for (const file of opened) close(file);
      throw error;
    }
    this.#free = [...this.#files.keys()];
    this.#child.on('message', (message: DecodeReply | 'ready') => {
      this.#silent = 0;
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
    for (const slot of this.#free.splice(0)) this.#close(slot);
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
      const { width, height, decodedBytes, file } = image;
      const data = memory.take(width * height * 3);
      if (await this.#fetch(this.#files[slot]![file], data))
        return { pixels: { data, width, height }, decodedBytes };
      memory.give(data);
      return undefined;
    } finally {
      this.#release(slot);
    }
  }

  #ask(slot: number, path: string, recipe: Recipe): Promise<DecodeReply['image']> {
    const first = FIRST_FILE + 2 * slot;
    const request: DecodeRequest = { slot, files: [first, first + 1], path, recipe };
    return new Promise((resolve) => {
      if (this.#asked.size === 0) this.#await();
      this.#asked.set(slot, resolve);
      this.#child.send(request, (error) => {
        if (error !== null) this.#answer({ slot });
      });
    });
  }

  #answer({ slot, image }: DecodeReply): void {
    const resolve = this.#asked.get(slot);
    this.#asked.delete(slot);
    if (this.#asked.size === 0) {
      this.#child.channel?.unref();
      clearInterval(this.#watch);
    }
    resolve?.(image);
  }

  /** Waits for answers; a process that was stopped, and gives none, is ended. */
  #await(): void {
    this.#child.channel?.ref();
    this.#silent = 0;
    this.#watch = setInterval(() => {
      this.#silent += 1;
      if (this.#silent >= MOST_SILENT) this.end();
    }, this.#lookMs).unref();
  }

  /** Whether the pixels could be read. */
  async #fetch(file: number, data: Uint8Array): Promise<boolean> {
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
    if (this.#state === 'ended') this.#close(slot);
    else this.#free.push(slot);
    this.#onChange();
  }

  #close(slot: number): void {
    for (const file of this.#files[slot]!) close(file);
  }
}
