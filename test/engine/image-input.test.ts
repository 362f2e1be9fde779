import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { CalibrationTable } from '../../lib/calibration/index.js';
import {
  checkImageInput,
  imageProfiles,
  planeProfiles,
  withImageInput,
} from '../../lib/engine/image-input.js';
import { buildEngine, readManifest, saveEngine } from '../../lib/engine/index.js';
import { createNode, TensorProto_DataType as DataType, loadModel } from '../../lib/onnx/index.js';
import { openOnnxRuntimeSession } from '../../lib/session/index.js';
import { Tensor } from '../../lib/tensor.js';
import { openFakes } from './fake-builds.js';
import { convModel, DIGITS, DIGITS_PROFILE, modelBytes } from './models.js';

const IMAGENET = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };

const { eight, ten } = await openFakes();

const bytesOf = (count: number) => Uint8Array.from({ length: count }, (_, i) => (i * 97) % 256);

/** What the model's float input would hold for these pixels, [n, h, w, 3]. */
function planes(
  pixels: Uint8Array,
  [n, h, w]: [number, number, number],
  { mean = [0, 0, 0], std = [1, 1, 1], bgr = false } = {},
): Float32Array<ArrayBuffer> {
  const result = new Float32Array(n * 3 * h * w);
  for (let i = 0; i < n * h * w; i += 1) {
    for (let c = 0; c < 3; c += 1) {
      const at = (Math.floor(i / (h * w)) * 3 + c) * h * w + (i % (h * w));
      const byte = pixels[i * 3 + (bgr ? 2 - c : c)]!;
      result[at] = (byte / 255 - mean[c]!) / std[c]!;
    }
  }
  return result;
}

describe('an image input', () => {
  it.each([
    [{}],
    [IMAGENET],
    [{ ...IMAGENET, bgr: true }],
    [{ mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] }],
  ])('gives the logits of the float input: %j', async (options) => {
    const model = withImageInput(await loadModel(DIGITS), checkImageInput(options));
    await using float = await openOnnxRuntimeSession(DIGITS);
    await using image = await openOnnxRuntimeSession(model.bytes);
    expect(image.inputs[0]).toMatchObject({ name: 'input', type: 'uint8' });
    expect(image.inputs[0]!.shape.slice(1)).toEqual([32, 32, 3]);
    const pixels = bytesOf(2 * 32 * 32 * 3);
    const wanted = await float.run({
      input: new Tensor('float32', planes(pixels, [2, 32, 32], options), [2, 3, 32, 32]),
    });
    const got = await image.run({ input: new Tensor('uint8', pixels, [2, 32, 32, 3]) });
    const [a, b] = [wanted.output!.data, got.output!.data] as Float32Array[];
    const apart = Math.max(...a!.map((value, i) => Math.abs(value - b![i]!)));
    expect(apart).toBeLessThan(1e-3);
    expect(Math.max(...a!)).not.toBe(Math.min(...a!));
  });

  it('leaves out what has no effect, and puts the cast first', async () => {
    const nodes = async (options: object) => {
      const edited = withImageInput(await loadModel(DIGITS), checkImageInput(options));
      const { proto } = await loadModel(edited.bytes);
      return proto.graph!.node.slice(0, 6).map(({ opType }) => opType);
    };
    expect((await nodes({ divisor: 1 })).slice(0, 3)).toEqual(['Cast', 'Transpose', 'Conv']);
    expect((await nodes({})).slice(0, 4)).toEqual(['Cast', 'Transpose', 'Mul', 'Conv']);
    expect((await nodes({ ...IMAGENET, bgr: true })).slice(0, 5)).toEqual([
      ...['Cast', 'Transpose', 'Gather', 'Mul', 'Add'],
    ]);
  });

  it('takes half precision models, and refuses what is no image', async () => {
    const relu = [createNode('Relu', ['x'], ['y'])];
    const half = modelBytes(relu, [], { type: DataType.FLOAT16, input: [1, 3, 8, 8] });
    const edited = withImageInput(await loadModel(half), checkImageInput(true));
    expect((await loadModel(edited.bytes)).proto.graph!.node.map(({ opType }) => opType)).toEqual([
      ...['Cast', 'Transpose', 'Mul', 'Cast', 'Relu'],
    ]);
    const wide = await loadModel(convModel());
    expect(() => withImageInput(wide, checkImageInput(true))).toThrow('The model has 0 inputs');
    const digits = await loadModel(DIGITS);
    expect(() => withImageInput(digits, checkImageInput({ input: 'other' }))).toThrow(
      'The model has no input "other" that is an image; its inputs: "input"',
    );
  });

  it.each([
    [false, 'Expected true or an object { divisor, mean, std, bgr } for imageInput'],
    [{ divisor: 0 }, 'Expected a number over 0 for imageInput.divisor'],
    [{ mean: [1, 2] }, 'Expected three numbers for imageInput.mean'],
    [{ std: [1, 0, 1] }, 'Expected a number over 0 for imageInput.std'],
    [{ bgr: 'yes' }, 'Expected true or false for imageInput.bgr'],
    [{ input: 3 }, 'Expected the name of an input for imageInput.input'],
  ])('%j is refused', (options, message) => {
    expect(() => checkImageInput(options)).toThrow(message);
  });

  it('has the profiles of either form', () => {
    const image = { min: [1, 32, 32, 3], opt: [4, 32, 32, 3], max: [8, 32, 32, 3] };
    expect(imageProfiles([DIGITS_PROFILE], 'input')).toEqual([{ input: image }]);
    expect(imageProfiles([{ input: image }], 'input')).toEqual([{ input: image }]);
    const other = { mask: { min: [1, 3], opt: [1, 3], max: [1, 3] } };
    expect(imageProfiles([other], 'input')).toEqual([other]);
    expect(planeProfiles([{ input: image, ...other }], 'input')).toEqual([
      { ...DIGITS_PROFILE, ...other },
    ]);
    expect(planeProfiles([DIGITS_PROFILE, other], 'input')).toEqual([DIGITS_PROFILE, other]);
  });
});

describe('an engine with an image input', () => {
  it('is built by RTX, and its manifest says so', async () => {
    const result = await buildEngine(DIGITS, {
      computeCapabilities: [80],
      cache: false,
      profiles: [DIGITS_PROFILE],
      imageInput: IMAGENET,
    });
    expect(result.inputs).toEqual([{ name: 'input', type: 'uint8', shape: [-1, 32, 32, 3] }]);
    expect(result.profiles[0]!.input!.max).toEqual([8, 32, 32, 3]);
    const info = { input: 'input', divisor: 255, ...IMAGENET, bgr: false };
    expect(result.imageInput).toEqual(info);
    const path = ten.path('image.engine');
    await saveEngine(result, path);
    expect((await readManifest(path))!.imageInput).toEqual(info);
  });

  it('has a key of its own in the cache', async () => {
    const build = (imageInput?: true | { divisor: number }) =>
      buildEngine(DIGITS, {
        computeCapabilities: [80],
        cache: ten.path('cache'),
        profiles: [DIGITS_PROFILE],
        ...(imageInput === undefined ? {} : { imageInput }),
      });
    const keys = [await build(), await build(true), await build({ divisor: 1 })];
    expect(new Set(keys.map(({ cache }) => cache.key)).size).toBe(3);
    const again = await build(true);
    expect([again.cache.hit, again.imageInput?.divisor]).toEqual([true, 255]);
  });

  it('puts the range of the input on what feeds the first layer, and none before', async (context) => {
    const bytes = readFileSync(DIGITS);
    const names = (await loadModel(DIGITS)).proto
      .graph!.node.flatMap(({ output }) => output)
      .map((name) => [name, { lowest: -2, highest: 2 }] as const);
    const calibration = new CalibrationTable([['input', { lowest: 0, highest: 1 }], ...names]);
    for (const fake of [ten, eight]) {
      if (fake === undefined) return context.skip('no TensorRT 8 headers');
      const { told, result } = await fake.build(bytes, {
        profiles: [DIGITS_PROFILE],
        imageInput: IMAGENET,
        calibration,
        strict: true,
      });
      expect(told.inputs.input).toMatchObject({ type: 'UInt8' });
      expect(told.ranges.input_pixels).toEqual([-1, 1]);
      expect(Object.keys(told.ranges).filter((name) => name.startsWith('input_image'))).toEqual([]);
      expect(result.ranges!.missing).toEqual([]);
    }
  });

  it('leaves out ranges of tensors that are named by the number of a layer', async () => {
    const range = { lowest: -3, highest: 3 };
    // In the network with the image input this number is another layer's.
    const constant = '(Unnamed Layer* 2) [Constant]_output';
    const calibration = new CalibrationTable([
      ['input', { lowest: 0, highest: 1 }],
      [constant, range],
    ]);
    const options = { profiles: [DIGITS_PROFILE], calibration };
    const { result } = await ten.build(DIGITS, { ...options, imageInput: true });
    expect(result.ranges!.unused).toEqual([]);
    const plain = await ten.build(DIGITS, options);
    expect(plain.result.ranges!.unused).toEqual([constant]);
  });
});
