import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { ERROR_CODES } from '../lib/errors.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
  cwd: root,
  encoding: 'utf8',
})
  .split('\n')
  .filter((path) => path !== '');
const read = (path: string) => readFileSync(join(root, path), 'utf8');

/** The folders of lib/ in the direction that data flows; docs/architecture.md draws them. */
const ORDER = [
  'runtime',
  'dataset',
  'preprocess',
  'onnx',
  'calibration',
  'quantization',
  'engine',
  'session',
  'tasks',
  'report',
  'cli',
];

/** Folder of a path below lib/, or undefined for the base files. */
function folderOf(path: string): string | undefined {
  const parts = path.split('/');
  return parts[0] === 'lib' && parts.length > 2 ? parts[1] : undefined;
}

describe('the structure of lib/', () => {
  const sources = files.filter(
    (path) => /^lib\/.*\.c?ts$/.test(path) && !path.includes('/generated/'),
  );

  it('knows every folder', () => {
    const folders = new Set(sources.map(folderOf).filter((folder) => folder !== undefined));
    expect([...folders].filter((folder) => !ORDER.includes(folder))).toEqual([]);
    expect(folders.size).toBe(ORDER.length);
  });

  it('imports only from folders before, never the other way', () => {
    const wrong: string[] = [];
    for (const path of sources) {
      const from = folderOf(path);
      if (path === 'lib/index.ts') continue;
      for (const [, specifier] of read(path).matchAll(
        /(?:from|import)\s*\(?\s*['"](\.{1,2}\/[^'"]+)['"]/g,
      )) {
        const target = relative(root, resolve(root, dirname(path), specifier!));
        const to = folderOf(target);
        if (to === undefined ? target === 'lib/index.js' : from === undefined)
          wrong.push(`${path} → ${target}`);
        else if (to !== undefined && ORDER.indexOf(to) > ORDER.indexOf(from!))
          wrong.push(`${path} → ${target}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  it('keeps files below 400 lines', () => {
    const long = files
      .filter((path) => /^(lib|native|scripts|test)\/.*\.(c?ts|mjs|cc|h|py)$/.test(path))
      .filter((path) => !path.includes('/generated/'))
      .filter((path) => read(path).split('\n').length > 400);
    expect(long).toEqual([]);
  });
});

describe('the structure of native/', () => {
  const sources = files.filter((path) => /^native\/.*\.(cc|h)$/.test(path));

  it('has code', () => expect(sources.length).toBeGreaterThan(10));

  it('includes napi.h in native/node only, and native/core never includes native/node', () => {
    const wrong = sources.filter(
      (path) =>
        path.startsWith('native/core/') &&
        /#include\s+[<"](napi\.h|node_api\.h|.*node\/)/.test(read(path)),
    );
    expect(wrong).toEqual([]);
  });

  it('includes no CUDA toolkit header', () => {
    const wrong = sources.filter((path) =>
      /#include\s+[<"](cuda\.h|cuda_runtime\.h|driver_types\.h)/.test(read(path)),
    );
    expect(wrong).toEqual([]);
  });
});

describe('the repository', () => {
  it('documents each error code under its own heading, and nothing else', () => {
    const headings = [...read('docs/errors.md').matchAll(/^## ([A-Z_]+)$/gm)].map(
      (match) => match[1],
    );
    expect(headings.toSorted()).toEqual(Object.keys(ERROR_CODES).toSorted());
  });

  it('carries nothing of NVIDIA: no headers, no libraries, no native modules', () => {
    expect(
      files.filter((path) => /(^|\/)(Nv[A-Z]\w*\.h|.*\.so(\.\d+)*|.*\.node)$/.test(path)),
    ).toEqual([]);
  });

  it('leaves no test skipped or focused', () => {
    const marks = /\b(it|test|describe)\.(skip|only|todo)\b/;
    expect(
      files
        .filter((path) => /^test\/.*\.ts$/.test(path) && path !== 'test/architecture.test.ts')
        .filter((path) => marks.test(read(path))),
    ).toEqual([]);
  });
});
