/**
 * What a decoder process runs: it answers the requests of a {@link DecoderPool} until the channel to
 * its parent closes, which the kernel sees to however the parent ends.
 */
import { write } from 'node:fs';
import { promisify } from 'node:util';
import type { DecodeReply, DecodeRequest } from './decoder.js';
import { readSized } from './image.js';
import { loadSharp } from './load-sharp.js';

const writeAt = promisify(write);

async function decode({ slot, fd, path, recipe }: DecodeRequest): Promise<DecodeReply> {
  try {
    const { pixels, decodedBytes } = await readSized(path, recipe);
    const { data, width, height } = pixels;
    for (let at = 0; at < data.length; ) {
      at += (await writeAt(fd, data, at, data.length - at, at)).bytesWritten;
    }
    return { slot, image: { width, height, decodedBytes } };
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
