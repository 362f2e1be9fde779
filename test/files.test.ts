import { execFileSync, spawn } from 'node:child_process';
import { lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type EngineManifest, writeEngine } from '../lib/engine/manifest.js';
import { TimingCacheFile } from '../lib/engine/timing-cache.js';
import { writeFile, writeFiles } from '../lib/files.js';

const folder = mkdtempSync(join(tmpdir(), 'files-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const at = (name: string) => join(folder, name);

describe('writing files', () => {
  it('replaces what a symbolic link points to, and not the link', async () => {
    await writeFile(at('real/file.txt'), 'old');
    symlinkSync(at('real/file.txt'), at('link'));
    await writeFile(at('link'), 'new');
    expect(lstatSync(at('link')).isSymbolicLink()).toBe(true);
    expect(readFileSync(at('real/file.txt'), 'utf8')).toBe('new');
    expect(readdirSync(at('real'))).toEqual(['file.txt']);
  });

  it('makes a file where a link points to nothing', async () => {
    symlinkSync(at('nothing'), at('dangling'));
    await writeFile(at('dangling'), 'here');
    expect(readFileSync(at('dangling'), 'utf8')).toBe('here');
  });

  // As root, a rename would take /dev/null away from the whole machine.
  it('writes to a pipe or a device, and does not replace it', async () => {
    execFileSync('mkfifo', [at('pipe')]);
    const reader = spawn('cat', [at('pipe')], { stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    reader.stdout.on('data', (chunk) => {
      text += chunk;
    });
    const ended = new Promise((resolve) => reader.once('close', resolve));
    await writeFiles([
      [at('pipe'), 'through the pipe'],
      [at('beside'), 'a file'],
    ]);
    await ended;
    expect(text).toBe('through the pipe');
    expect(lstatSync(at('pipe')).isFIFO()).toBe(true);
    expect(readFileSync(at('beside'), 'utf8')).toBe('a file');
    expect(readdirSync(folder).filter((name) => name.startsWith('.'))).toEqual([]);
  });
});

describe('an engine', () => {
  it('has no manifest beside a pipe', async () => {
    execFileSync('mkfifo', [at('pipe.engine')]);
    const reader = spawn('cat', [at('pipe.engine')], { stdio: 'ignore' });
    const ended = new Promise((resolve) => reader.once('close', resolve));
    const manifest = {} as EngineManifest;
    const plan = Uint8Array.of(1, 2);
    expect(await writeEngine(at('pipe.engine'), plan, manifest)).toEqual([at('pipe.engine')]);
    await ended;
    const both = [at('some.engine'), at('some.engine.json')];
    expect(await writeEngine(at('some.engine'), plan, manifest)).toEqual(both);
    const engines = readdirSync(folder).filter((name) => name.includes('.engine'));
    expect(engines.sort()).toEqual(['pipe.engine', 'some.engine', 'some.engine.json']);
  });
});

describe('a timing cache', () => {
  it('that is no file holds nothing, and is not waited for', async () => {
    execFileSync('mkfifo', [at('timings')]);
    expect(await new TimingCacheFile(at('timings')).load()).toHaveLength(0);
  });
});
