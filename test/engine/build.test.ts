import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import {
  buildEngine,
  countOutputTypes,
  describeNetwork,
  inspectEngine,
  parseLayerReport,
  readManifest,
  readPlanHeader,
  saveEngine,
} from '../../lib/engine/index.js';
import { TensorProto_DataType as DataType } from '../../lib/onnx/index.js';
import type { Progress } from '../../lib/progress.js';
import { convModel, DIGITS, DIGITS_PROFILE, quantizedModel } from './models.js';

const TARGETS = [80, 89, 120];
const folder = mkdtempSync(join(tmpdir(), 'trtn-build-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('buildEngine with TensorRT-RTX, without a GPU', () => {
  it('builds the digits model for three compute capabilities', async () => {
    const result = await buildEngine(DIGITS, {
      computeCapabilities: TARGETS,
      profiles: [DIGITS_PROFILE],
      memPoolSize: { workspace: 2 ** 30 },
      builderOptimizationLevel: 2,
    });
    expect(result.library).toEqual({ family: 'tensorrt_rtx', version: '1.7.1' });
    expect(result.inputs).toEqual([{ name: 'input', type: 'float32', shape: [-1, 3, 32, 32] }]);
    expect(result.outputs).toEqual([{ name: 'output', type: 'float32', shape: [-1, 10] }]);
    expect(result.modelSha256).toBe(
      createHash('sha256').update(readFileSync(DIGITS)).digest('hex'),
    );
    expect(readPlanHeader(result.plan)).toEqual({
      kind: 'tensorrt-rtx',
      version: '1.7.1',
      bytes: result.plan.byteLength,
    });
    expect(result.network.layers).toHaveLength(30);
    expect(result.network.layers[0]).toMatchObject({
      name: '/conv1/Conv',
      type: 'CONVOLUTION',
      precision: 'float32',
      inputs: [{ name: 'input' }],
    });
    const convolutions = result.layers.filter(({ type }) => type === 'correlation');
    expect(convolutions).toHaveLength(7);
    expect(convolutions[0]!.onnxNodes).toEqual(['/conv1/Conv', '/act1/Relu']);
    expect(convolutions[0]!.outputs[0]).toMatchObject({ shape: [-1, 8, 32, 32], type: 'Float' });
    expect(result.warnings).toEqual([]);
    expect(result.elapsedMs).toBeGreaterThan(0);
  });

  it('builds typed FP16, and its layers are half precision', async () => {
    const result = await buildEngine(convModel(DataType.FLOAT16), { computeCapabilities: TARGETS });
    expect(result.inputs[0]!.type).toBe('float16');
    expect(Object.keys(countOutputTypes(result.layers))).toEqual(['Half']);
  });

  it('builds Q/DQ, and something in it is int8', async () => {
    const result = await buildEngine(quantizedModel(), { computeCapabilities: TARGETS });
    expect(countOutputTypes(result.layers).Int8).toBe(1);
    expect(result.network.layers.map(({ type }) => type)).toContain('QUANTIZE');
  });

  it('takes bytes and several profiles', async () => {
    const result = await buildEngine(readFileSync(DIGITS), {
      computeCapabilities: [86],
      profiles: [
        DIGITS_PROFILE,
        { input: { min: [16, 3, 32, 32], opt: [32, 3, 32, 32], max: [32, 3, 32, 32] } },
      ],
    });
    expect(result.plan.byteLength).toBeGreaterThan(100_000);
    expect(result.modelPath).toBeUndefined();
  });

  it('reports nothing of layers under profilingVerbosity none', async () => {
    const options = { computeCapabilities: [89], profilingVerbosity: 'none' } as const;
    const result = await buildEngine(convModel(), options);
    expect(result.layers.filter(({ onnxNodes }) => onnxNodes.length > 0)).toEqual([]);
  });

  it('takes the RTX library of a folder that is named', async () => {
    const network = await describeNetwork(convModel(), { libraryDir: '.sdk/lib/tensorrt_rtx' });
    expect(network.layers.map(({ type }) => type)).toEqual(['CONVOLUTION', 'ACTIVATION']);
    expect(network.outputs[0]!.shape).toEqual([1, 16, 8, 8]);
    expect(network.library.family).toBe('tensorrt_rtx');
  });

  it('tells phases and elapsed time, and no share that TensorRT does not know', async () => {
    const reports: Progress[] = [];
    await buildEngine(DIGITS, {
      computeCapabilities: TARGETS,
      profiles: [DIGITS_PROFILE],
      onProgress: (progress) => reports.push(progress),
    });
    expect(reports[0]).toMatchObject({ phase: 'build', done: 0 });
    expect(reports.map(({ phase }) => phase)).toContain('Determining refit engines');
    expect(reports.every(({ total }) => total === undefined)).toBe(true);
    const elapsed = reports.map(({ elapsedMs }) => elapsedMs);
    expect(elapsed.toSorted((a, b) => a - b)).toEqual(elapsed);
  });
});

describe('saveEngine and inspectEngine', () => {
  it('writes plan and manifest, and reads both back without a GPU', async () => {
    const path = join(folder, 'sub', 'digits.engine');
    const result = await buildEngine(DIGITS, {
      computeCapabilities: TARGETS,
      profiles: [DIGITS_PROFILE],
    });
    const saved = await saveEngine(result, path, { recipe: { size: 32 } });
    expect(readdirSync(join(folder, 'sub')).toSorted()).toEqual([
      'digits.engine',
      'digits.engine.json',
    ]);
    expect(Buffer.compare(readFileSync(path), result.plan)).toBe(0);
    const inspection = await inspectEngine(path);
    expect(inspection.header.version).toBe('1.7.1');
    expect(inspection.manifest).toEqual(saved.manifest);
    expect(saved.manifest).toMatchObject({
      format: 'tensorrt-node-engine',
      version: 1,
      plan: {
        file: 'digits.engine',
        bytes: result.plan.byteLength,
        sha256: createHash('sha256').update(result.plan).digest('hex'),
      },
      library: { family: 'tensorrt_rtx', version: '1.7.1' },
      computeCapabilities: TARGETS,
      model: { file: 'model.onnx', sha256: result.modelSha256 },
      profiles: [DIGITS_PROFILE],
      recipe: { size: 32 },
      layerTypes: { Float: 13 },
    });
  });

  it('refuses what is no plan, is cut short, or is another one', async () => {
    const path = join(folder, 'e.engine');
    const result = await buildEngine(convModel(), { computeCapabilities: [80] });
    await saveEngine(result, path);
    const flipped = result.plan.slice();
    flipped[5000]! ^= 1;
    writeFileSync(path, flipped);
    await expect(inspectEngine(path)).rejects.toMatchObject({
      code: 'ENGINE_INVALID',
      message: expect.stringContaining('SHA-256'),
    });
    writeFileSync(path, result.plan.subarray(0, 6000));
    await expect(inspectEngine(path)).rejects.toMatchObject({
      code: 'ENGINE_INVALID',
      message: expect.stringContaining('6000 bytes'),
    });
    writeFileSync(path, 'no plan, but long enough to have a header');
    await expect(inspectEngine(path)).rejects.toMatchObject({ code: 'ENGINE_INVALID' });
    await expect(inspectEngine(join(folder, 'none'))).rejects.toMatchObject({
      code: 'FILE_NOT_FOUND',
    });
    writeFileSync(`${path}.json`, '{"format": "other"}');
    await expect(readManifest(path)).rejects.toMatchObject({ code: 'ENGINE_INVALID' });
    writeFileSync(`${path}.json`, '{');
    await expect(readManifest(path)).rejects.toMatchObject({ code: 'ENGINE_INVALID' });
    expect(await readManifest(join(folder, 'none'))).toBeUndefined();
    expect(readPlanHeader(Buffer.from('ptrt'.padEnd(40, '\0')))).toEqual({ kind: 'tensorrt' });
  });

  it('leaves nothing when it cannot write', async () => {
    const result = await buildEngine(convModel(), { computeCapabilities: [80] });
    writeFileSync(join(folder, 'file'), '');
    await expect(saveEngine(result, join(folder, 'file', 'x.engine'))).rejects.toMatchObject({
      code: 'WRITE_FAILED',
    });
    expect(existsSync(join(folder, 'file', 'x.engine'))).toBe(false);
    await expect(saveEngine(result, '')).rejects.toThrow('Expected a path for path');
  });
});

describe('parseLayerReport', () => {
  it('reads names with commas and brackets, and scalars', () => {
    const report =
      'Layers:\nName: a, b{1}, LayerType: kgen, Inputs: [ { Name: x, y, Dimensions: [], Strides: [], ' +
      'StrideOrder: [], Datatype: Half, Format: (Linear) Row major }, { Name: z, Dimensions: [2,-1], ' +
      'Datatype: Int8, Format: F }], Constants: [], Outputs: [], TacticName: t, StreamId: 0, ' +
      'Metadata: [ONNX Layer: n1][ONNX Layer: n, 2]\n\nI/O Tensors:\n Name: x, IOMode: Input';
    expect(parseLayerReport(report)).toEqual([
      {
        name: 'a, b{1}',
        type: 'kgen',
        onnxNodes: ['n1', 'n, 2'],
        inputs: [
          { name: 'x, y', shape: [], type: 'Half', format: '(Linear) Row major' },
          { name: 'z', shape: [2, -1], type: 'Int8', format: 'F' },
        ],
        outputs: [],
        tactic: 't',
      },
    ]);
    expect(parseLayerReport('')).toEqual([]);
  });
});
