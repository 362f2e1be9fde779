import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { TensorRTError } from '../../lib/errors.js';
import {
  describeModel,
  encodeModel,
  type GraphProto,
  graphOf,
  loadModel,
  type NodeProto,
} from '../../lib/onnx/index.js';
import { convertToFloat16, quantizeModel } from '../../lib/quantization/index.js';
import { FAMILIES } from '../support/families.js';
import { Random } from '../support/graph-builder.js';

const MODELS = {
  digits: readFileSync('examples/digits/model.onnx'),
  'digits with BatchNormalization': readFileSync('test/fixtures/ort-calibration/model_bn.onnx'),
  ViT: encodeModel(FAMILIES.ViT({ opset: 13 })),
  MobileNetV3: encodeModel(FAMILIES.MobileNetV3({ opset: 13, naming: 'dynamo' })),
};

const NUMBERS = [0n, -1n, 1n, 2n, 7n, 2n ** 31n, 2n ** 40n, -(2n ** 62n)];

/** One change of the kind that no check of the format alone would find. */
function damage(graph: GraphProto, random: Random): void {
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random.uniform() * items.length)]!;
  const node: NodeProto = pick(graph.node);
  const tensor = pick(graph.initializer);
  const attribute = node.attribute.length > 0 ? pick(node.attribute) : undefined;
  const kind = Math.floor(random.uniform() * 10);
  if (kind === 0) tensor.dims[0] = pick(NUMBERS);
  else if (kind === 1) tensor.dims.push(pick(NUMBERS));
  else if (kind === 2) tensor.dataType = Math.floor(random.uniform() * 30);
  else if (kind === 3) tensor.rawData = tensor.rawData.subarray(0, 5);
  else if (kind === 4 && attribute) attribute.i = pick(NUMBERS);
  else if (kind === 5 && attribute) attribute.ints = [pick(NUMBERS), pick(NUMBERS)];
  else if (kind === 6) node.opType = pick(graph.node).opType;
  else if (kind === 7) node.input = [...node.input].reverse();
  else if (kind === 8) node.input[0] = pick(graph.initializer).name;
  else node.input.length = Math.floor(random.uniform() * 2);
}

describe('damaged models', () => {
  it.each(Object.entries(MODELS))('%s: a result or an error with a code', async (_name, bytes) => {
    const random = new Random(5);
    const seen = new Set<string>();
    for (let round = 0; round < 150; round += 1) {
      const { proto } = await loadModel(bytes);
      for (let changes = 1 + Math.floor(random.uniform() * 3); changes > 0; changes -= 1) {
        damage(proto.graph!, random);
      }
      try {
        const model = await loadModel(encodeModel(proto));
        describeModel(model);
        const graph = graphOf(model);
        const names = [
          ...graph.input.map(({ name }) => name),
          ...graph.node.flatMap((n) => n.output),
        ];
        const amax = new Map(names.map((name) => [name, 1]));
        const options = { missingRanges: 'float', fp16: round % 2 === 1 } as const;
        encodeModel(quantizeModel(model, amax, options).model);
        encodeModel(convertToFloat16(model, { keepIo: round % 3 === 0 }).model);
        seen.add('fine');
      } catch (error) {
        expect(error).toBeInstanceOf(TensorRTError);
        seen.add((error as TensorRTError).code);
      }
    }
    expect(seen).toContain('fine');
    expect(seen).toContain('MODEL_INVALID');
  });
});
