import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ZipFile } from 'yazl';
import { downloadDataset, fetchImage, listImages, PythonRandom } from '../../lib/dataset/index.js';
import type { Progress } from '../../lib/progress.js';
import { FileServer } from './server.js';
import { rawZip } from './zip.js';

const server = new FileServer();
let base: string;
let archive: Uint8Array;
let digest: string;
/** Does not compress, so that the archive is large enough to break in the middle. */
const random = new PythonRandom(1);
const noise = Buffer.from(Array.from({ length: 100_000 }, () => random.next32() >>> 24));

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

async function zipOf(files: Record<string, Uint8Array>): Promise<Uint8Array> {
  const zip = new ZipFile();
  for (const [name, data] of Object.entries(files)) zip.addBuffer(Buffer.from(data), name);
  zip.addEmptyDirectory('set/empty');
  zip.end();
  return new Uint8Array(await buffer(zip.outputStream));
}

beforeAll(async () => {
  await server.start();
  archive = await zipOf({ 'set/a/1.png': noise, 'set/b/2.png': noise.subarray(0, 5000) });
  digest = sha256(archive);
});
afterAll(() => server.stop());
beforeEach(async () => {
  server.reset();
  server.files.set('/data/digits.zip', archive);
  base = await mkdtemp(join(tmpdir(), 'download-'));
  return () => rm(base, { recursive: true, force: true });
});

const target = () => join(base, 'digits');
const url = () => server.url('/data/digits.zip');
const names = async (folder: string) => (await readdir(folder)).sort();

describe('downloadDataset', () => {
  it('downloads, extracts, and does nothing the second time', async () => {
    const reports: Progress[] = [];
    const onProgress = (report: Progress) => reports.push(report);
    const options = { folder: target(), sha256: digest.toUpperCase(), onProgress };
    const first = await downloadDataset(url(), options);
    expect(first).toMatchObject({
      folder: target(),
      downloaded: true,
      sha256: digest,
      files: 2,
      bytes: 105_000,
    });
    expect(await listImages(target())).toEqual(['set/a/1.png', 'set/b/2.png']);
    expect(await readFile(join(target(), 'set/a/1.png'))).toEqual(noise);
    expect(await names(base)).toEqual(['archives', 'digits']);
    const kept = await names(join(base, 'archives'));
    expect(kept).toEqual([expect.stringMatching(/^digits-[0-9a-f]{8}\.zip$/)]);
    expect(first.archive).toBe(join(base, 'archives', kept[0]!));
    expect(reports).toContainEqual(
      expect.objectContaining({ phase: 'download', done: archive.length, total: archive.length }),
    );
    expect(reports.at(-1)).toMatchObject({ phase: 'extract', done: 2, total: 2, unit: 'files' });
    const requests = server.ranges.length;
    const second = await downloadDataset(url(), { folder: target() });
    expect(second).toMatchObject({ downloaded: false, files: 2, sha256: digest });
    expect(server.ranges).toHaveLength(requests);
  });

  it('extracts a kept archive without downloading it again, and deletes it on request', async () => {
    const archivesFolder = join(base, 'kept', 'zips');
    await downloadDataset(url(), { folder: target(), archivesFolder });
    await rm(target(), { recursive: true });
    const again = await downloadDataset(url(), {
      folder: target(),
      archivesFolder,
      deleteArchive: true,
    });
    expect(again.archive).toBeUndefined();
    expect(server.ranges).toEqual(['']);
    expect(await names(archivesFolder)).toEqual([]);
    expect(await listImages(target())).toHaveLength(2);
  });

  it('goes on where a broken connection stopped', async () => {
    server.breaks.push(40_960, 20_480);
    await downloadDataset(url(), { folder: target(), sha256: digest });
    expect(server.ranges[0]).toBe('');
    expect(server.ranges).toHaveLength(3);
    const starts = server.ranges.slice(1).map((range) => Number(/^bytes=(\d+)-$/.exec(range)?.[1]));
    expect(starts[0]).toBeGreaterThan(0);
    expect(starts[1]).toBeGreaterThan(starts[0]!);
    expect(await readFile(join(target(), 'set/a/1.png'))).toEqual(noise);
  });

  it('goes on in a later call, and starts anew when the file has changed', async () => {
    server.breaks.push(40_960, 0, 0);
    await expect(downloadDataset(url(), { folder: target() })).rejects.toMatchObject({
      code: 'DOWNLOAD_FAILED',
      message: expect.stringContaining(url()),
    });
    const part = join(base, 'archives', (await names(join(base, 'archives')))[0]!);
    expect((await stat(part)).size).toBeGreaterThan(0);
    server.ranges.length = 0;
    const other = await zipOf({ 'set/c/3.png': noise.subarray(100) });
    server.files.set('/data/digits.zip', other);
    const result = await downloadDataset(url(), { folder: target() });
    expect(server.ranges[0]).toMatch(/^bytes=\d+-$/);
    expect(result.sha256).toBe(sha256(other));
    expect(await listImages(target())).toEqual(['set/c/3.png']);
  });

  it('joins no pieces that nothing vouches for', async () => {
    server.etag = false;
    server.breaks.push(40_960);
    await downloadDataset(url(), { folder: target() });
    expect(server.ranges).toEqual(['', '']);
  });

  it('starts anew when the server does not have the rest', async () => {
    server.breaks.push(40_960);
    const run = downloadDataset(url(), { folder: target(), sha256: digest });
    // The answer to the second request, which asks for the rest.
    await expect.poll(() => server.ranges.length).toBe(1);
    server.statuses.push(416);
    await run;
    expect(server.ranges).toEqual(['', expect.stringMatching(/^bytes=/), '']);
    expect(await listImages(target())).toHaveLength(2);
  });

  it('tries server errors again, and reports refusals at once', async () => {
    server.statuses.push(503);
    server.chunked = true;
    await downloadDataset(url(), { folder: target() });
    expect(server.ranges).toHaveLength(2);
    await expect(
      downloadDataset(server.url('/none.zip'), { folder: join(base, 'none') }),
    ).rejects.toMatchObject({ code: 'DOWNLOAD_FAILED', message: expect.stringContaining('404') });
    expect(server.ranges).toHaveLength(3);
  });

  it('refuses a wrong checksum and keeps nothing', async () => {
    const wrong = '0'.repeat(64);
    await expect(downloadDataset(url(), { folder: target(), sha256: wrong })).rejects.toMatchObject(
      { code: 'CHECKSUM_MISMATCH', message: expect.stringContaining(digest) },
    );
    expect(await names(base)).toEqual(['archives']);
    expect(await names(join(base, 'archives'))).toEqual([]);
    await downloadDataset(url(), { folder: target(), sha256: digest });
    expect(server.ranges).toEqual(['', '']);
  });

  it('refuses what is no archive, and downloads it again next time', async () => {
    server.files.set('/data/digits.zip', Buffer.from('<!DOCTYPE html> please sign in'));
    await expect(downloadDataset(url(), { folder: target() })).rejects.toMatchObject({
      code: 'ARCHIVE_INVALID',
      message: expect.stringContaining(url()),
    });
    server.files.set('/data/digits.zip', archive);
    expect((await downloadDataset(url(), { folder: target() })).downloaded).toBe(true);
  });

  it('does not touch a folder that holds something else', async () => {
    await mkdir(target());
    await writeFile(join(target(), 'mine.txt'), 'mine');
    await expect(downloadDataset(url(), { folder: target() })).rejects.toMatchObject({
      code: 'WRITE_FAILED',
    });
    expect(await names(target())).toEqual(['mine.txt']);
    expect(server.ranges).toEqual([]);
    await rm(join(target(), 'mine.txt'));
    expect((await downloadDataset(url(), { folder: target() })).files).toBe(2);
  });

  it('holds the size limit while downloading', async () => {
    for (const chunked of [false, true]) {
      server.chunked = chunked;
      await expect(
        downloadDataset(url(), { folder: target(), maxBytes: 50_000 }),
      ).rejects.toMatchObject({
        code: 'DOWNLOAD_FAILED',
        message: expect.stringContaining('50000'),
      });
    }
  });

  it('stops when told to, leaves nothing but the part, and goes on later', async () => {
    server.slowMs = 20;
    const controller = new AbortController();
    const run = downloadDataset(url(), {
      folder: target(),
      signal: controller.signal,
      onProgress: ({ done }) => {
        if (done > 10_000) controller.abort(new Error('stopped'));
      },
    });
    await expect(run).rejects.toThrow('stopped');
    expect(await names(base)).toEqual(['archives']);
    server.slowMs = 0;
    await downloadDataset(url(), { folder: target() });
    expect(server.ranges.at(-1)).toMatch(/^bytes=\d+-$/);
    expect(await readFile(join(target(), 'set/a/1.png'))).toEqual(noise);
  });

  it.each(['download', 'extract'])('stops at the very end of the phase %s', async (phase) => {
    const controller = new AbortController();
    const run = downloadDataset(url(), {
      folder: target(),
      signal: controller.signal,
      onProgress: (report) => {
        if (report.phase === phase && report.done === report.total) {
          controller.abort(new Error('at the end'));
        }
      },
    });
    await expect(run).rejects.toThrow('at the end');
    expect(await names(base)).toEqual(['archives']);
    expect((await downloadDataset(url(), { folder: target() })).sha256).toBe(digest);
    // All of it is there: asking for the rest is the most that the second call does.
    expect(server.ranges.filter((range) => range === '')).toHaveLength(1);
  });

  it('lets two callers take turns', async () => {
    const run = () => downloadDataset(url(), { folder: target() });
    const results = await Promise.all([run(), run()]);
    expect(results.map(({ downloaded }) => downloaded).sort()).toEqual([false, true]);
    expect(server.ranges).toEqual(['']);
  });

  it('removes what a killed process left beside the target', async () => {
    await downloadDataset(url(), { folder: target() });
    const [name] = await names(join(base, 'archives'));
    const hash = /-([0-9a-f]{8})\.zip$/.exec(name!)?.[1];
    await rm(target(), { recursive: true });
    const left = join(base, `.tensorrt-node-tmp-${hash}-digits`);
    await mkdir(join(left, 'set/a'), { recursive: true });
    await writeFile(join(left, 'set/a/1.png'), 'half');
    await downloadDataset(url(), { folder: target() });
    expect(await names(base)).toEqual(['archives', 'digits']);
    expect(await readFile(join(target(), 'set/a/1.png'))).toEqual(noise);
  });

  it.each([
    ['../evil.png', {}, '../evil.png'],
    ['a/../../evil.png', {}, 'a/../../evil.png'],
    ['/etc/evil.png', {}, '/etc/evil.png'],
    ['C:\\evil.png', {}, 'evil.png'],
    ['..\\evil.png', {}, 'evil.png'],
    ['link.png', { mode: 0o120777 }, 'symbolic link'],
    ['pipe.png', { mode: 0o010644 }, 'not a regular file'],
    ['secret.png', { flags: 1 }, 'encrypted'],
    ['odd.png', { method: 14 }, 'compression method 14'],
    ['zero\0.png', {}, 'zero byte'],
    ['broken.png', { crc: 1 }, 'checksum'],
    ['short.png', { size: 10_000 }, 'short.png'],
    ['long.png', { size: 1 }, 'long.png'],
    ['ok/../a.png', {}, 'ok/../a.png'],
  ])('refuses the entry %j', async (name, fields, message) => {
    const evil = rawZip([
      { name: 'good.png', data: noise },
      { name, data: noise.subarray(0, 100), ...fields },
    ]);
    server.files.set('/data/digits.zip', evil);
    await expect(downloadDataset(url(), { folder: target() })).rejects.toMatchObject({
      code: 'ARCHIVE_INVALID',
      message: expect.stringContaining(message),
    });
    expect(await names(base)).toEqual(['archives']);
  });

  it.each([
    [['a.png', 'b.png', 'a.png'], 'stands twice'],
    [['d/a.png', 'd//./a.png'], 'stands twice'],
    [['a', 'a/b.png'], 'both a file and a folder'],
    [['.'], 'no name'],
  ])('refuses the names %j together', async (list, message) => {
    const evil = rawZip(list.map((name) => ({ name })));
    server.files.set('/data/digits.zip', evil);
    await expect(downloadDataset(url(), { folder: target() })).rejects.toThrow(message);
  });

  it('refuses archives beyond the limits before it writes anything', async () => {
    const bomb = rawZip([
      { name: 'a.png', data: new Uint8Array(600_000) },
      { name: 'b.png', data: new Uint8Array(600_000) },
    ]);
    server.files.set('/data/digits.zip', bomb);
    await expect(
      downloadDataset(url(), { folder: target(), maxBytes: 1_000_000 }),
    ).rejects.toMatchObject({ code: 'ARCHIVE_INVALID', message: expect.stringContaining('b.png') });
    await expect(downloadDataset(url(), { folder: target(), maxEntries: 1 })).rejects.toMatchObject(
      {
        code: 'ARCHIVE_INVALID',
        message: expect.stringContaining('more than 1 entries'),
      },
    );
    const damaged = Buffer.from(bomb);
    damaged.writeUInt32LE(0xdeadbeef, damaged.length - 22 + 16);
    server.files.set('/data/digits.zip', damaged);
    await expect(
      downloadDataset(server.url('/data/digits.zip?2'), { folder: target() }),
    ).rejects.toMatchObject({ code: expect.stringMatching(/ARCHIVE_INVALID|DOWNLOAD_FAILED/) });
  });

  it('says when it cannot write', async () => {
    await writeFile(join(base, 'file'), '');
    await expect(
      downloadDataset(url(), { folder: join(base, 'file', 'digits') }),
    ).rejects.toMatchObject({ code: 'WRITE_FAILED' });
    await expect(
      downloadDataset(url(), { folder: target(), archivesFolder: join(base, 'file') }),
    ).rejects.toMatchObject({ code: 'WRITE_FAILED' });
    await expect(downloadDataset(url(), { folder: join(base, 'file') })).rejects.toMatchObject({
      code: 'WRITE_FAILED',
    });
  });

  it.each([
    ['ftp://127.0.0.1/a.zip', {}, 'url'],
    ['http://127.0.0.1/a.zip', { folder: '' }, 'folder'],
    ['http://127.0.0.1/a.zip', { sha256: 'abc' }, 'sha256'],
    ['http://127.0.0.1/a.zip', { maxBytes: 0 }, 'maxBytes'],
    ['http://127.0.0.1/a.zip', { maxEntries: 0.5 }, 'maxEntries'],
  ])('refuses %s with %o', async (address, options, message) => {
    await expect(downloadDataset(address, { folder: target(), ...options })).rejects.toThrow(
      message,
    );
  });
});

describe('fetchImage', () => {
  it('downloads into memory within its limits', async () => {
    server.files.set('/1.png', noise);
    const address = server.url('/1.png');
    expect(Buffer.from(await fetchImage(address))).toEqual(noise);
    await expect(fetchImage(address, { maxBytes: 1000 })).rejects.toMatchObject({
      code: 'DOWNLOAD_FAILED',
      message: expect.stringContaining('larger than 1000 bytes'),
    });
    await expect(fetchImage(server.url('/2.png'))).rejects.toMatchObject({
      code: 'DOWNLOAD_FAILED',
      message: expect.stringContaining('404'),
    });
    server.slowMs = 30;
    await expect(fetchImage(address, { timeoutMs: 50 })).rejects.toMatchObject({
      code: 'DOWNLOAD_FAILED',
      message: expect.stringContaining('within 50 ms'),
    });
    const signal = AbortSignal.abort(new Error('no more'));
    await expect(fetchImage(address, { signal })).rejects.toThrow('no more');
    const controller = new AbortController();
    const run = fetchImage(address, { signal: controller.signal });
    controller.abort(new Error('changed my mind'));
    await expect(run).rejects.toThrow('changed my mind');
  });

  it('says why the network failed', async () => {
    const dead = new FileServer();
    await dead.start();
    const address = dead.url('/1.png');
    await dead.stop();
    await expect(fetchImage(address)).rejects.toMatchObject({
      code: 'DOWNLOAD_FAILED',
      message: expect.stringContaining('ECONNREFUSED'),
    });
  });
});
