import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A file server on this machine whose behaviour a test can bend. */
export class FileServer {
  /** Served contents by path. */
  readonly files = new Map<string, Uint8Array>();
  /** `Range` headers of the requests so far; '' for a whole file. */
  readonly ranges: string[] = [];
  /** Bytes after which the next answers break off, one for each. */
  readonly breaks: number[] = [];
  /** Status of the next answers, one for each. */
  readonly statuses: number[] = [];
  /** Whether answers carry an ETag. */
  etag = true;
  /** Whether `Content-Length` is left out. */
  chunked = false;
  /** Milliseconds between pieces of a body. */
  slowMs = 0;
  readonly #server = createServer((request, response) => void this.#answer(request, response));

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  reset(): void {
    this.ranges.length = 0;
    this.breaks.length = 0;
    this.statuses.length = 0;
    this.etag = true;
    this.chunked = false;
    this.slowMs = 0;
  }

  url(path: string): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}${path}`;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.ranges.push(request.headers.range ?? '');
    const status = this.statuses.shift();
    const file = this.files.get(request.url ?? '');
    if (status !== undefined || file === undefined) {
      response.writeHead(status ?? 404).end();
      return;
    }
    const tag = `"${createHash('sha1').update(file).digest('hex')}"`;
    const range = /^bytes=(\d+)-$/.exec(request.headers.range ?? '');
    const ifRange = request.headers['if-range'];
    const from =
      range !== null && (ifRange === undefined || ifRange === tag) ? Number(range[1]) : 0;
    if (range !== null && from >= file.length) {
      response.writeHead(416, { 'content-range': `bytes */${file.length}` }).end();
      return;
    }
    if (this.etag) response.setHeader('etag', tag);
    if (!this.chunked) response.setHeader('content-length', file.length - from);
    if (from > 0) {
      response.setHeader('content-range', `bytes ${from}-${file.length - 1}/${file.length}`);
    }
    response.writeHead(from > 0 ? 206 : 200);
    const limit = this.breaks.shift() ?? Number.POSITIVE_INFINITY;
    for (let at = from; at < file.length; at += 4096) {
      if (at - from >= limit) {
        response.destroy();
        return;
      }
      response.write(file.subarray(at, at + 4096));
      if (this.slowMs > 0 || limit < Number.POSITIVE_INFINITY) {
        await new Promise((resolve) => setTimeout(resolve, this.slowMs));
      }
    }
    response.end();
  }
}
