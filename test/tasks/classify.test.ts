import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeModel } from '../../lib/onnx/index.js';
import { openOnnxRuntimeSession } from '../../lib/session/index.js';
import { classify, classifyStream, expandImages } from '../../lib/tasks/index.js';
import { GraphBuilder } from '../support/graph-builder.js';
import { COLOURS, colourFolder, colourModel, writeImage } from './colours.js';

let folder: string;
const at = (name: string) => join(folder, name);
const plain = { recipe: { resize: { mode: 'none' } } } as const;

beforeAll(async () => {
  folder = await colourFolder();
});
afterAll(() => rm(folder, { recursive: true }));

describe('classify', () => {
  it('names classes, most probable first, with labels found beside the model', async () => {
    const result = await classify(at('model.onnx'), [at('images/red/1.png')], plain);
    expect(result.labelsFile).toBe(at('classes.json'));
    expect(result.softmaxApplied).toBe(true);
    expect(result.provider).toBe('onnxruntime-cpu');
    const [first, ...rest] = result.results[0]!.predictions;
    // The outputs are 10, 0, 0, 0.
    expect(first).toMatchObject({ label: 'red', index: 0 });
    expect(first!.confidence).toBeCloseTo(Math.exp(10) / (Math.exp(10) + 3), 6);
    expect(rest.map(({ label }) => label)).toEqual(['green', 'blue', 'none']);
  });

  it('leaves probabilities as they are', async () => {
    const model = colourModel({ softmax: true });
    const { results, softmaxApplied } = await classify(model, [at('images/red/1.png')], {
      ...plain,
      topK: 1,
    });
    expect(softmaxApplied).toBe(false);
    expect(results[0]!.predictions).toHaveLength(1);
    expect(results[0]!.predictions[0]).toMatchObject({ label: '0', index: 0 });
    expect(results[0]!.predictions[0]!.confidence).toBeCloseTo(0.999864, 5);
  });

  it('takes images of several sizes and keeps their order', async () => {
    const images = ['red/1.png', 'red/2.png', 'green/1.png', 'blue/1.png'].map((name) =>
      at(`images/${name}`),
    );
    const { results } = await classify(at('model.onnx'), images, {
      ...plain,
      batch: 3,
      labels: COLOURS,
    });
    expect(results.map(({ source }) => source)).toEqual(images);
    expect(results.map(({ position }) => position)).toEqual([0, 1, 2, 3]);
    expect(results.map(({ predictions }) => predictions[0]!.label)).toEqual([
      'red',
      'red',
      'green',
      'blue',
    ]);
  });

  it.each([
    ['half precision', { half: true }],
    ['outputs [n, 4, 1, 1]', { spatial: true }],
    ['a fixed batch of 3', { input: [3, 3, 'h', 'w'] }],
    ['a fixed size', { input: ['n', 3, 8, 8] }],
  ])('runs models with %s', async (_, options) => {
    const images = [at('images/blue/1.png'), at('images/green/1.png')];
    const { results } = await classify(colourModel(options), images, plain);
    expect(results.map(({ predictions }) => predictions[0]!.index)).toEqual([2, 1]);
    expect(results[0]!.predictions[0]!.confidence).toBeGreaterThan(0.99);
  });

  it('classifies with a session that stays open', async () => {
    await using session = await openOnnxRuntimeSession(at('model.onnx'));
    for (let round = 0; round < 2; round += 1) {
      const { results } = await classify(session, ['red/1.png'], {
        ...plain,
        root: at('images'),
      });
      expect(results[0]!.predictions[0]!.label).toBe('0');
    }
  });

  it('reads an image from an address', async () => {
    const bytes = await readFile(at('images/green/1.png'));
    const server = createServer((_, response) => response.end(bytes));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/green.png`;
      const { results } = await classify(at('model.onnx'), await expandImages([url]), plain);
      expect(results[0]).toMatchObject({
        source: url,
        predictions: [{ label: 'green' }, {}, {}, {}],
      });
    } finally {
      server.close();
    }
  });

  it('takes the model of a folder and the recipe beside it', async () => {
    await mkdir(at('alone'), { recursive: true });
    await writeFile(at('alone/m.onnx'), colourModel({ input: ['n', 3, 8, 8] }));
    await writeFile(at('alone/m.onnx.recipe.json'), JSON.stringify({ resize: { mode: 'none' } }));
    const result = await classify(at('alone'), [at('images/red/1.png')]);
    expect(result.recipeFile).toBe(at('alone/m.onnx.recipe.json'));
    expect(result.recipe.resize).toEqual({ mode: 'none' });
    // A recipe that the caller names comes before the one beside the model.
    const named = await classify(at('alone'), [at('images/red/1.png')], { size: 8 });
    expect(named.recipe.resize).toEqual({ mode: 'shorter-side', size: 8, divisor: 1 });
    expect(named.recipeFile).toBeUndefined();
  });
});

describe('what classify refuses', () => {
  it('a recipe of another size than the model, before it reads an image', async () => {
    const model = colourModel({ input: ['n', 3, 8, 8] });
    await expect(classify(model, ['/nowhere.png'], { size: 64 })).rejects.toMatchObject({
      code: 'MODEL_UNSUPPORTED',
      message:
        'the model takes images of 8×8 (height × width), but the recipe makes the shorter side of every image 64',
      remedy:
        'Give --size 8 when the recipe makes squares, else a recipe of that size (--recipe FILE), such as ' +
        '{"resize":{"mode":"cover","width":8,"height":8,"cropFraction":1}}.',
    });
    const fill = { resize: { mode: 'fill', width: 8, height: 9 } } as const;
    await expect(classify(model, ['/nowhere.png'], { recipe: fill })).rejects.toThrow(
      'but the recipe makes 9×8 of every image',
    );
    const wide = colourModel({ input: ['n', 3, 8, 16] });
    await expect(classify(wide, ['/nowhere.png'], { size: 10 })).rejects.toMatchObject({
      remedy:
        'Give a recipe of that size (--recipe FILE), such as ' +
        '{"resize":{"mode":"cover","width":16,"height":8,"cropFraction":1}}.',
    });
    const high = colourModel({ input: ['n', 3, 'h', 4] });
    await expect(classify(high, ['/nowhere.png'], { size: 10 })).rejects.toThrow('any×4');
  });

  it('an image of another size than the model, by name', async () => {
    const model = colourModel({ input: ['n', 3, 8, 8] });
    await expect(classify(model, [at('images/red/2.png')], plain)).rejects.toMatchObject({
      code: 'MODEL_UNSUPPORTED',
      message: `the model takes images of 8×8 (height × width), but the recipe makes 9×6 of ${at('images/red/2.png')}`,
    });
  });

  it('another number of labels than outputs, naming both', async () => {
    await expect(
      classify(at('model.onnx'), [at('images/red/1.png')], { ...plain, labels: ['a', 'b'] }),
    ).rejects.toMatchObject({
      code: 'LABELS_INVALID',
      message: `The list of labels has 2 classes, but ${at('model.onnx')} has 4 outputs`,
    });
  });

  it('a broken image, by name, unless it may be skipped', async () => {
    await writeFile(at('broken.png'), 'no picture');
    const images = [at('images/red/1.png'), at('broken.png'), at('images/blue/1.png')];
    await expect(classify(at('model.onnx'), images, plain)).rejects.toMatchObject({
      code: 'IMAGE_INVALID',
      message: expect.stringContaining(at('broken.png')),
    });
    const { results, broken } = await classify(at('model.onnx'), images, {
      ...plain,
      skipBroken: true,
    });
    expect(results.map(({ position }) => position)).toEqual([0, 2]);
    expect(broken).toEqual([
      { source: at('broken.png'), reason: expect.stringContaining('broken.png') },
    ]);
    await expect(
      classify(at('model.onnx'), [at('broken.png')], { ...plain, skipBroken: true }),
    ).rejects.toMatchObject({ code: 'IMAGES_NOT_FOUND' });
  });

  it('a batch larger than the one the model fixes', async () => {
    const model = colourModel({ input: [2, 3, 'h', 'w'] });
    await expect(
      classify(model, [at('images/red/1.png')], { ...plain, batch: 4 }),
    ).rejects.toMatchObject({ message: 'the model takes batches of 2, not of 4' });
  });

  it('models that are no image classifiers', async () => {
    const images = [at('images/red/1.png')];
    const last = new GraphBuilder();
    last.relu('input', 'a');
    const nhwc = encodeModel(last.finish(['n', 8, 8, 3], ['n', 8, 8, 3]).proto);
    await expect(classify(nhwc, images, plain)).rejects.toMatchObject({
      code: 'MODEL_UNSUPPORTED',
      remedy: 'Its channels come last; export it with channels first (NCHW).',
    });
    // Of any size, too: the second dim could be 3, and the last is no width.
    const any = new GraphBuilder();
    any.relu('input', 'a');
    const anyNhwc = encodeModel(any.finish(['n', 'h', 'w', 3], ['n', 'h', 'w', 3]).proto);
    await expect(classify(anyNhwc, images, plain)).rejects.toMatchObject({
      message: expect.stringContaining('is not [batch, 3, height, width]'),
      remedy: 'Its channels come last; export it with channels first (NCHW).',
    });
    const grey = colourModel({ input: ['n', 3, 'h', 'w'] });
    const flat = new GraphBuilder();
    flat.relu('input', 'a');
    const vector = encodeModel(flat.finish(['n', 4], ['n', 4]).proto);
    await expect(classify(vector, images, plain)).rejects.toThrow(
      'is not [batch, 3, height, width]',
    );
    await expect(classify(grey, images, { ...plain, output: 'x' })).rejects.toThrow(TypeError);
    const map = new GraphBuilder();
    map.relu('input', 'a');
    const same = encodeModel(map.finish(['n', 3, 'h', 'w'], ['n', 3, 'h', 'w']).proto);
    await expect(classify(same, images, plain)).rejects.toThrow('not one number a class');
    const two = new GraphBuilder();
    two.op('Add', ['input', 'other'], 'a');
    const inputs = two.finish(['n', 3, 'h', 'w'], ['n', 3, 'h', 'w']);
    const [input] = inputs.proto.graph!.input;
    inputs.proto.graph!.input.push({ ...input!, name: 'other' });
    await expect(classify(encodeModel(inputs.proto), images, plain)).rejects.toThrow(
      'the model has 2 inputs (input: float32 [n, 3, h, w]; other: float32 [n, 3, h, w])',
    );
    const cast = new GraphBuilder();
    cast.op('Cast', ['input'], 'c', { to: 1 });
    const bytes = cast.finish(['n', 3, 'h', 'w'], ['n', 3, 'h', 'w']);
    const type = bytes.proto.graph!.input[0]!.type!.value;
    if (type.case === 'tensorType') type.value.elemType = 2;
    await expect(classify(encodeModel(bytes.proto), images, plain)).rejects.toThrow('is uint8');
  });

  it('a wrong number of classes to return', async () => {
    await expect(classify(at('model.onnx'), [], { topK: 0 })).rejects.toThrow(RangeError);
  });

  it('everything after an abort, with its reason', async () => {
    const reason = new Error('stop');
    const controller = new AbortController();
    const images = Array.from({ length: 50 }, () => at('images/red/1.png'));
    const stream = await classifyStream(at('model.onnx'), images, {
      ...plain,
      signal: controller.signal,
    });
    let seen = 0;
    const reading = (async () => {
      for await (const _ of stream) {
        seen += 1;
        if (seen === 2) controller.abort(reason);
      }
    })();
    await expect(reading).rejects.toBe(reason);
    expect(seen).toBe(2);
  });
});

describe('expandImages', () => {
  it('replaces folders by the images in them', async () => {
    await writeImage(at('more/b/2.png'), [0, 0, 0]);
    await writeImage(at('more/a.png'), [0, 0, 0]);
    expect(await expandImages(['x.png', at('more'), 'https://example.org/y.png'])).toEqual([
      'x.png',
      at('more/a.png'),
      at('more/b/2.png'),
      'https://example.org/y.png',
    ]);
  });
});
