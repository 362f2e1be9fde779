import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { familyOfHeaders, findHeaders, headersFolder } from '../../scripts/sdk-paths.mjs';

const root = mkdtempSync(join(tmpdir(), 'trtn-headers-'));
afterAll(() => rmSync(root, { recursive: true }));

let count = 0;
function headers(version: string, parser = true): string {
  const folder = join(root, String(count++));
  mkdirSync(folder);
  writeFileSync(join(folder, 'NvInferVersion.h'), version);
  if (parser) writeFileSync(join(folder, 'NvOnnxParser.h'), '');
  return folder;
}

const numbers = (major: number, minor: number) =>
  `#define NV_TENSORRT_MAJOR ${major} //!< TensorRT major version.\n#define NV_TENSORRT_MINOR ${minor}\n`;
const enterprise = (major: number, minor: number) =>
  `#define TRT_MAJOR_ENTERPRISE ${major}\n#define TRT_MINOR_ENTERPRISE ${minor}\n` +
  '#define NV_TENSORRT_MAJOR TRT_MAJOR_ENTERPRISE\n';

describe('the family of headers', () => {
  it.each<[string, string | undefined]>([
    [numbers(8, 6), 'tensorrt8'],
    [numbers(8, 5), undefined],
    [enterprise(10, 16), 'tensorrt10'],
    [numbers(10, 0), 'tensorrt10'],
    [enterprise(11, 4), 'tensorrt11'],
    ['#define TRT_MAJOR_RTX 1\n#define TRT_MINOR_RTX 7\n', 'tensorrt_rtx'],
    ['#define TRT_MAJOR_RTX 2\n', undefined],
    [enterprise(12, 0), undefined],
    ['', undefined],
  ])('of %j is %s', async (version, family) => {
    expect(await familyOfHeaders(headers(version))).toBe(family);
  });

  it('is none without the parser, and none of an empty folder', async () => {
    expect(await familyOfHeaders(headers(enterprise(10, 16), false))).toBeUndefined();
    expect(await familyOfHeaders(join(root, 'none'))).toBeUndefined();
  });
});

describe('findHeaders', () => {
  it('finds what set-up fetched', async () => {
    const found = await findHeaders({});
    for (const family of ['tensorrt10', 'tensorrt11', 'tensorrt_rtx']) {
      expect(found.has(family)).toBe(true);
    }
    expect(readFileSync(join(headersFolder('tensorrt_rtx'), 'NvInfer.h'), 'utf8')).toContain(
      'IBuilder',
    );
  });

  it('takes the user’s own first, whichever variable names them', async () => {
    const ten = headers(enterprise(10, 3));
    const eight = headers(numbers(8, 6));
    const found = await findHeaders({ TENSORRT_INCLUDE_DIR: ten, TENSORRT8_INCLUDE_DIR: eight });
    expect(found.get('tensorrt10')).toBe(resolve(ten));
    expect(found.get('tensorrt8')).toBe(resolve(eight));
  });

  it('refuses a variable that names no headers', async () => {
    await expect(findHeaders({ TENSORRT8_INCLUDE_DIR: root })).rejects.toThrow(
      'TENSORRT8_INCLUDE_DIR',
    );
  });
});
