/**
 * What a decoder process runs: it answers the requests of a {@link DecoderPool} until the channel to
 * its parent closes, which the kernel sees to however the parent ends.
 */
import { ftruncate, write } from 'node:fs';
import { promisify } from 'node:util';
import type { DecodeReply, DecodeRequest } from './decoder.js';
import { readSized } from './image.js';
import { loadSharp } from './load-sharp.js';

const writeAt = promisify(write);
const truncate = promisify(ftruncate);

/** Writes pixels into the file; leaves nothing of them where there is no room for all. */
async function put(file: number, data: Uint8Array): Promise<void> {
  try {
    for (let at = 0; at < data.length; ) {
      at += (await writeAt(file, data, at, data.length - at, at)).bytesWritten;
    }
  } catch (error) {
    await truncate(file, 0).catch(() => {});
    throw error;
  }
}

async function decode({ slot, files, path, recipe }: DecodeRequest): Promise<DecodeReply> {
  try {
    const { pixels, decodedBytes } = await readSized(path, recipe);
    const { data, width, height } = pixels;
    const memory = await put(files[0], data).then(
      () => true,
      () => false,
    );
    // The memory that containers share is small: 64 MB, unless somebody says otherwise.
    if (!memory) await put(files[1], data);
    return { slot, image: { width, height, decodedBytes, file: memory ? 0 : 1 } };
  } catch {
    // Why is found out by the parent, which reads the image itself then.
    return { slot };
  }
}

/** With a callback, so that a parent that is gone is no exception. */
function send(message: DecodeReply | 'ready'): void {
  process.send?.(message, undefined, undefined, () => {});
}

// Ctrl-C reaches the whole group of processes; whether work ends then is the parent's business.
process.on('SIGINT', () => {});
process.on('disconnect', () => process.exit());
process.on('message', (request: DecodeRequest) => {
  void decode(request).then(send);
});
loadSharp().then(
  () => send('ready'),
  () => process.exit(1),
);
