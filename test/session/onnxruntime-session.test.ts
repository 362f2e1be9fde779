import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeModel, floatToHalf, halfToFloat, saveModel } from '../../lib/onnx/index.js';
import { openOnnxRuntimeSession } from '../../lib/session/index.js';
import { Tensor } from '../../lib/tensor.js';
import { GraphBuilder } from '../support/graph-builder.js';

const model = fileURLToPath(new URL('../../examples/digits/model.onnx', import.meta.url));
const zeros = (dims: number[]) => {
  return new Tensor('float32', new Float32Array(dims.reduce((a, b) => a * b, 1)), dims);
};

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trtn-session-'));
});
afterAll(() => rm(folder, { recursive: true }));

describe('openOnnxRuntimeSession', () => {
  it('tells inputs and outputs with their symbolic dimensions', async () => {
    await using session = await openOnnxRuntimeSession(model);
    expect(session.inputs).toEqual([
      { name: 'input', type: 'float32', shape: ['batch', 3, 32, 32] },
    ]);
    expect(session.outputs).toEqual([{ name: 'output', type: 'float32', shape: ['batch', 10] }]);
    expect(session.provider).toBe('onnxruntime-cpu');
  });

  it('gives the same logits from a path and from bytes, and for each place in a batch', async () => {
    await using fromPath = await openOnnxRuntimeSession(model, { threads: 1 });
    await using fromBytes = await openOnnxRuntimeSession(await readFile(model));
    const one = await fromPath.run({ input: zeros([1, 3, 32, 32]) });
    const two = await fromBytes.run({ input: zeros([2, 3, 32, 32]) }, ['output']);
    // The digits model's answer to a black image, as onnxruntime-node itself gives it.
    expect(one.output!.data[3]).toBeCloseTo(29.9044, 3);
    expect(one.output!.dims).toEqual([1, 10]);
    expect(two.output!.dims).toEqual([2, 10]);
    expect(two.output!.data[13]).toBeCloseTo(29.9044, 3);
  });

  it('hands float16 in and out as bits', async () => {
    const graph = new GraphBuilder({ half: true });
    graph.relu('input', 'act');
    const bytes = encodeModel(graph.finish([1, 4], [1, 4]).proto);
    await using session = await openOnnxRuntimeSession(bytes);
    const data = Uint16Array.from([-1, 0.5, 2, -3], floatToHalf);
    const { output } = await session.run({ input: new Tensor('float16', data, [1, 4]) });
    expect(output!.type).toBe('float16');
    expect(Array.from(output!.data as Uint16Array, halfToFloat)).toEqual([0, 0.5, 2, 0]);
  });

  it.each([
    [{}, 'Expected a tensor float32 [batch, 3, 32, 32] for input "input" but received none'],
    [{ x: zeros([1]) }, 'Expected tensors for the inputs "input" but received one for "x"'],
    [{ input: 3 }, 'received 3 of type number'],
    [
      { input: new Tensor('uint8', new Uint8Array(3072), [1, 3, 32, 32]) },
      'but received uint8 [1, 3, 32, 32]',
    ],
    [null, 'Expected an object with a tensor for each input for feeds but received null'],
  ])('refuses feeds of the wrong kind: %s', async (feeds, message) => {
    await using session = await openOnnxRuntimeSession(model);
    const run = session.run(feeds as never);
    await expect(run).rejects.toThrow(TypeError);
    await expect(run).rejects.toThrow(message);
  });

  it.each([[[1, 1, 32, 32]], [[3, 32, 32]], [[1, 3, 32, 31]]])(
    'refuses the shape %j',
    async (dims) => {
      await using session = await openOnnxRuntimeSession(model);
      const run = session.run({ input: zeros(dims) });
      await expect(run).rejects.toThrow(RangeError);
      await expect(run).rejects.toThrow(
        `Expected a tensor float32 [batch, 3, 32, 32] for input "input" but received float32 [${dims.join(', ')}]`,
      );
    },
  );

  it('refuses outputs that do not exist', async () => {
    await using session = await openOnnxRuntimeSession(model);
    const feeds = { input: zeros([1, 3, 32, 32]) };
    await expect(session.run(feeds, ['logits'])).rejects.toThrow(
      'Expected names among the outputs "output" for fetches but received "logits"',
    );
    await expect(session.run(feeds, [])).rejects.toThrow(TypeError);
  });

  it('rejects with the reason of an abort', async () => {
    await using session = await openOnnxRuntimeSession(model);
    const reason = new Error('enough');
    const feeds = { input: zeros([1, 3, 32, 32]) };
    await expect(session.run(feeds, undefined, { signal: AbortSignal.abort(reason) })).rejects.toBe(
      reason,
    );
    const controller = new AbortController();
    const run = session.run(feeds, undefined, { signal: controller.signal });
    controller.abort(reason);
    await expect(run).rejects.toBe(reason);
  });

  it('finishes runs in flight before it is released, once, and refuses later ones', async () => {
    const session = await openOnnxRuntimeSession(model);
    const order: string[] = [];
    const runs = [1, 2, 3].map(async () => {
      const { output } = await session.run({ input: zeros([1, 3, 32, 32]) });
      order.push('run');
      return output!.data.length;
    });
    const released = session.release().then(() => order.push('released'));
    await expect(session.run({ input: zeros([1, 3, 32, 32]) })).rejects.toMatchObject({
      code: 'SESSION_RELEASED',
    });
    expect(await Promise.all(runs)).toEqual([10, 10, 10]);
    await released;
    expect(order).toEqual(['run', 'run', 'run', 'released']);
    await session.release();
    await session[Symbol.asyncDispose]();
  });

  it('refuses wrong options', async () => {
    await expect(openOnnxRuntimeSession(3 as never)).rejects.toThrow(TypeError);
    await expect(openOnnxRuntimeSession(model, { threads: 0 })).rejects.toThrow(RangeError);
    await expect(
      openOnnxRuntimeSession(model, { graphOptimizationLevel: 'most' as never }),
    ).rejects.toThrow('graphOptimizationLevel');
  });
});

describe('models that cannot be opened or run', () => {
  it.each([
    ['nothing.onnx', 'MODEL_NOT_FOUND'],
    ['.', 'MODEL_NOT_FOUND'],
    ['text.onnx', 'MODEL_INVALID'],
    ['empty.onnx', 'MODEL_INVALID'],
    ['operator.onnx', 'MODEL_UNSUPPORTED'],
    ['weights.onnx', 'MODEL_EXTERNAL_DATA'],
  ])('%s is %s', async (name, code) => {
    await writeFile(join(folder, 'text.onnx'), 'This is no model.');
    await writeFile(join(folder, 'empty.onnx'), '');
    const unknown = new GraphBuilder();
    unknown.op('NoSuchOperator', ['input'], 'x');
    await writeFile(join(folder, 'operator.onnx'), encodeModel(unknown.finish([1], [1]).proto));
    const external = new GraphBuilder();
    external.gemm('input', 'fc', 64, 64);
    const path = join(folder, 'weights.onnx');
    await saveModel(external.finish(['n', 64], ['n', 64]), path, { externalData: 'always' });
    await rm(`${path}.data`);
    await expect(openOnnxRuntimeSession(join(folder, name))).rejects.toMatchObject({
      code,
      message: expect.stringContaining(join(folder, name)),
    });
  });

  it('finds external weights beside the model', async () => {
    const external = new GraphBuilder();
    external.gemm('input', 'fc', 64, 64);
    const path = join(folder, 'outside.onnx');
    await saveModel(external.finish(['n', 64], ['n', 64]), path, { externalData: 'always' });
    await using session = await openOnnxRuntimeSession(path);
    expect((await session.run({ input: zeros([2, 64]) })).output!.dims).toEqual([2, 64]);
  });

  it('refuses a model whose output no tensor here can hold', async () => {
    const graph = new GraphBuilder();
    graph.op('Cast', ['input'], 'cast', { to: 12 });
    const model = graph.finish([1], [1]);
    const type = model.proto.graph!.output[0]!.type!.value;
    if (type.case === 'tensorType') type.value.elemType = 12;
    await expect(openOnnxRuntimeSession(encodeModel(model.proto))).rejects.toMatchObject({
      code: 'MODEL_UNSUPPORTED',
      message: 'the model: output "output" is of type uint32',
    });
  });

  it('fails in the words of ONNX Runtime', async () => {
    const graph = new GraphBuilder();
    graph.op('Reshape', ['input', graph.integers('shape', [7, -1])], 'reshape');
    const bytes = encodeModel(graph.finish(['n'], ['a', 'b']).proto);
    await using session = await openOnnxRuntimeSession(bytes);
    expect((await session.run({ input: zeros([14]) })).output!.dims).toEqual([7, 2]);
    const failed = await session.run({ input: zeros([10]) }).catch((error: unknown) => error);
    expect(failed).toMatchObject({ code: 'INFERENCE_FAILED' });
    expect((failed as { detail: string[] }).detail.join('\n')).toContain('cannot be reshaped');
  });
});
