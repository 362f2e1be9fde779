import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

it('has generated code that is up to date with onnx.proto', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'generated-'));
  const modules = dirname(
    dirname(createRequire(import.meta.url).resolve('@bufbuild/buf/package.json')),
  );
  const bin = join(dirname(modules), '.bin');
  const path = `${bin}:${process.env.PATH}`;
  const options = { env: { ...process.env, PATH: path, BUF_CACHE_DIR: join(folder, 'cache') } };
  await promisify(execFile)(join(bin, 'buf'), ['generate', 'lib/onnx', '-o', folder], options);
  const made = await readFile(join(folder, 'lib/onnx/generated/onnx_pb.ts'), 'utf8');
  expect(made).toBe(await readFile('lib/onnx/generated/onnx_pb.ts', 'utf8'));
  await rm(folder, { recursive: true });
});
