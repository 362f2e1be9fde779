import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { TensorRTError } from '../../lib/errors.js';
import { describeModel, encodeModel, graphOf, loadModel } from '../../lib/onnx/index.js';
import { convertToFloat16, quantizeModel } from '../../lib/quantization/index.js';
import { damage } from '../fuzz/damage.js';
import { FAMILIES } from '../support/families.js';
import { Random } from '../support/graph-builder.js';

const MODELS = {
  digits: readFileSync('examples/digits/model.onnx'),
  'digits with BatchNormalization': readFileSync('test/fixtures/ort-calibration/model_bn.onnx'),
  ViT: encodeModel(FAMILIES.ViT({ opset: 13 })),
  MobileNetV3: encodeModel(FAMILIES.MobileNetV3({ opset: 13, naming: 'dynamo' })),
};

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

  it('no bias of zeros is made for channels that there are no weights for', async () => {
    const { proto } = await loadModel(MODELS.digits);
    const convolutions = proto.graph!.node.filter(({ opType }) => opType === 'Conv');
    const codes: unknown[] = [];
    for (const { input } of convolutions) {
      const { proto: damaged } = await loadModel(MODELS.digits);
      const graph = damaged.graph!;
      for (const node of graph.node) if (node.opType === 'Conv') node.input.length = 2;
      graph.initializer.find(({ name }) => name === input[1])!.dims[0] = 2n ** 33n;
      const model = await loadModel(encodeModel(damaged));
      const amax = new Map(graph.node.flatMap(({ output }) => output.map((name) => [name, 1])));
      try {
        quantizeModel(model, amax.set('input', 1));
      } catch (error) {
        codes.push(error instanceof TensorRTError ? error.code : error);
      }
    }
    expect(codes).toEqual(convolutions.map(() => 'MODEL_INVALID'));
  });
});
