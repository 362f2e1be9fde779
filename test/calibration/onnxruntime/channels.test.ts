import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import {
  calibrate,
  decodeJson,
  encodeCache,
  encodeJson,
  mergeTables,
} from '../../../lib/calibration/index.js';
import { readFileList } from '../../../lib/dataset/index.js';
import { createNode, TensorProto_DataType as DataType } from '../../../lib/onnx/index.js';
import { imageBatches, resolveRecipe } from '../../../lib/preprocess/index.js';
import { halfTensor, modelBytes, tensor, value } from './support.js';

const DIGITS = 'examples/digits';

test('the channels of ONNX Runtime', async () => {
  const file = 'test/fixtures/ort-calibration/tables/model/minmax_per_channel_ranges.json';
  const reference: Record<string, [number[], number[]]> = JSON.parse(await readFile(file, 'utf8'));
  const files = await readFileList(`${DIGITS}/calib_list.txt`);
  const recipe = await resolveRecipe({ resize: { mode: 'none' } });
  const table = await calibrate(
    `${DIGITS}/model.onnx`,
    async function* () {
      for await (const { tensor: input } of imageBatches(files, recipe, {
        root: `${DIGITS}/images`,
      })) {
        yield { input };
      }
    },
    { perChannel: true },
  );
  expect([...table.ranges.keys()].sort()).toEqual(Object.keys(reference).sort());
  for (const [name, { channels }] of table.ranges) {
    const [lowest, highest] = reference[name]!;
    for (const [found, expected] of [
      [channels!.lowest, lowest],
      [channels!.highest, highest],
    ] as const) {
      expect(found.length, name).toBe(expected.length);
      const tolerance = 1e-5 * Math.max(...expected.map(Math.abs));
      found.forEach((bound, channel) => {
        expect(Math.abs(bound - expected[channel]!), `${name} ${channel}`).toBeLessThanOrEqual(
          tolerance,
        );
      });
    }
  }
  expect(table.meta?.method?.options).toEqual({ symmetric: false, perChannel: true });
});

/** x of 2 channels, its negative, and the sum over all. */
const model = modelBytes({
  nodes: [
    createNode('Neg', ['x'], ['n']),
    createNode('ReduceSum', ['x'], ['s'], {}, { keepdims: 0 }),
  ],
  inputs: [value('x', ['b', 'c', 2])],
  outputs: [value('n'), value('s')],
});
const batches = [
  { x: tensor([1, 2, 2], [1, 2, -3, 4]) },
  { x: tensor([2, 2, 2], [0, 1, -1, 0, 5, 1, -2, 1]) },
];

test('one range a channel, by hand', async () => {
  const table = await calibrate(model, batches, { perChannel: true });
  expect(table.ranges.get('x')).toEqual({
    lowest: -3,
    highest: 5,
    channels: { lowest: Float64Array.of(0, -3), highest: Float64Array.of(5, 4) },
  });
  // -0, the negative of 0, is written as 0.
  expect(table.ranges.get('n')?.channels).toEqual({
    lowest: Float64Array.of(-5, -4),
    highest: Float64Array.of(0, 3),
  });
  expect(table.ranges.get('s')).toEqual({ lowest: 4, highest: 5 });
  expect(table.amax('x')).toBe(5);
  const text = encodeJson(table);
  expect(text).toContain('"x": {"lowest": {"data": [0.0, -3.0], "dtype": "float32"');
  expect(decodeJson(Buffer.from(text)).ranges.get('x')?.channels).toEqual(
    table.ranges.get('x')?.channels,
  );
  expect(Buffer.from(encodeCache(table)).toString()).toContain('x 5.0\n');
  expect(() => encodeCache(table, 'onnxruntime-1.20')).toThrow('cannot write ranges of channels');
});

test('symmetric, averaged, merged, half precision', async () => {
  const symmetric = await calibrate(model, batches, { perChannel: true, symmetric: true });
  expect(symmetric.ranges.get('x')).toEqual({
    lowest: -5,
    highest: 5,
    channels: { lowest: Float64Array.of(-5, -4), highest: Float64Array.of(5, 4) },
  });
  const average = await calibrate(model, batches, { perChannel: true, movingAverage: 0.01 });
  expect(average.ranges.get('x')?.channels).toEqual({
    lowest: Float64Array.of(0.5, -2.5),
    highest: Float64Array.of(3.5, 2.5),
  });
  const parts = await Promise.all(
    batches.map((batch) => calibrate(model, [batch], { perChannel: true })),
  );
  const whole = await calibrate(model, batches, { perChannel: true });
  expect(encodeJson(mergeTables(parts.reverse()))).toBe(encodeJson(whole));
  const plain = (await calibrate(model, [batches[0]!])).with({ meta: { version: 1 } });
  expect(() => mergeTables([parts[0]!.with({ meta: { version: 1 } }), plain])).toThrow(
    'The parts have other numbers of channels in "x"',
  );
  const half = modelBytes({
    nodes: [createNode('Neg', ['x'], ['y'])],
    inputs: [value('x', ['n', 2], DataType.FLOAT16)],
    outputs: [value('y', undefined, DataType.FLOAT16)],
  });
  const table = await calibrate(half, [{ x: halfTensor([1, 2], [1.5, -0.25]) }], {
    perChannel: true,
  });
  expect(table.ranges.get('y')).toMatchObject({
    dtype: 'float16',
    channels: { lowest: Float64Array.of(-1.5, 0.25), highest: Float64Array.of(-1.5, 0.25) },
  });
});

test('what is refused', async () => {
  await expect(calibrate(model, [], { perChannel: true })).rejects.toMatchObject({
    code: 'CALIBRATION_FAILED',
  });
  const other = [batches[0]!, { x: tensor([1, 1, 2], [1, 2]) }];
  await expect(calibrate(model, other, { perChannel: true })).rejects.toThrow(
    'Tensor "x" has 1 channels, and had 2 before',
  );
  await expect(calibrate(model, batches, { perChannel: 1 as never })).rejects.toThrow(TypeError);
  await expect(calibrate(model, batches, { method: 'entropy', perChannel: true })).rejects.toThrow(
    'Expected no value with the method entropy for perChannel',
  );
});
