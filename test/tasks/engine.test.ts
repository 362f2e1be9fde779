// Engines on the fake GPU: what they compute is known to the last bit.
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { buildEngine, listCache, saveEngine } from '../../lib/engine/index.js';
import { InferenceSession, type ModelSession } from '../../lib/session/index.js';
import {
  bench,
  calibrateFolder,
  classify,
  classifyStream,
  evaluate,
} from '../../lib/tasks/index.js';
import { Tensor } from '../../lib/tensor.js';
import { cli, cliJson } from '../cli/command-line.js';
import { expectedOutput } from '../fakes/expected.js';
import { smallModel } from '../fakes/model.js';
import { FakeGpu, script, typedModel } from '../session/tensorrt/support.js';
import { COLOURS, colourFolder, writeImage } from './colours.js';

const plain = { resize: { mode: 'none' } } as const;
/** A classifier of any batch and size. */
const MODEL = {
  inputs: { image: ['n', 3, 'h', 'w'] },
  outputs: { scores: ['n', 4] },
  nodes: [{ op: 'Conv', name: 'conv', inputs: ['image', 'w'], outputs: ['scores'] }],
  weights: { w: { dims: [4, 3, 1, 1], first: 1 } },
};
/** Takes up to 4 images of 6 to 9 pixels. */
const PROFILE = {
  image: { min: [1, 3, 6, 6], opt: [2, 3, 8, 8], max: [4, 3, 9, 9] },
};

/** What the fakes compute, on the CPU. */
const reference: ModelSession = {
  inputs: [{ name: 'image', type: 'float32', shape: ['n', 3, 'h', 'w'] }],
  outputs: [{ name: 'scores', type: 'float32', shape: ['n', 4] }],
  provider: 'expected',
  async run({ image }) {
    const shape = [image!.dims[0]!, 4];
    const input = { data: image!.data as ArrayLike<number>, shape: image!.dims };
    return {
      scores: new Tensor('float32', new Float32Array(expectedOutput([input], { shape })), shape),
    };
  },
  async release() {},
  async [Symbol.asyncDispose]() {},
};

let gpu: FakeGpu;
let folder: string;
let images: string[];
const at = (name: string) => join(folder, name);
const onFakes = () => ({ libraryDir: gpu.fakes.dir });
beforeAll(async () => {
  gpu = await FakeGpu.open();
  folder = await colourFolder();
  await writeFile(at('any.onnx'), smallModel(MODEL));
  const built = await buildEngine(at('any.onnx'), { ...onFakes(), profiles: [PROFILE] });
  await saveEngine(built, at('any.engine'), { recipe: plain });
  images = [];
  for (let i = 0; i < 23; i += 1) {
    const name = `images/${COLOURS[i % 3]}/many${i}.png`;
    await writeImage(at(name), [i * 11, 255 - i * 7, (i * 37) % 256], i % 4 === 3 ? 7 : 8, 8);
    images.push(at(name));
  }
}, 900_000);
afterEach(() => script());
afterAll(async () => {
  await rm(folder, { recursive: true });
  await gpu.close();
});

describe('classify with an engine', () => {
  it('takes recipe and labels that lie beside it, and runs it with several runs in flight', async () => {
    script({ cuda: { delayUs: 2000 } });
    const engine = await classify(at('any.engine'), images, onFakes());
    expect(engine.recipeFile).toBe(at('any.engine.json'));
    expect(engine.labelsFile).toBe(at('classes.json'));
    expect(engine.provider).toBe('tensorrt');
    expect(engine.results.map(({ source }) => source)).toEqual(images);
    const labels = at('classes.json');
    const expected = await classify(reference, images, { recipe: plain, labels });
    expect(engine.results).toEqual(expected.results);
    expect(engine.inferenceMs).toBeGreaterThan(2);
  });

  it('gives results as they come, and lets go when it is left early', async () => {
    const stream = await classifyStream(at('any.engine'), images, { ...onFakes(), batch: 1 });
    const positions: number[] = [];
    for await (const { position } of stream) {
      positions.push(position);
      if (positions.length === 3) break;
    }
    expect(positions).toEqual([0, 1, 2]);
  });

  it('says which sizes an engine takes, and which batches', async () => {
    await writeImage(at('large.png'), [1, 2, 3], 8, 12);
    await expect(classify(at('any.engine'), [at('large.png')], onFakes())).rejects.toMatchObject({
      code: 'MODEL_UNSUPPORTED',
      message: `${at('any.engine')} was built for images of 6..9×6..9 (height × width), but the recipe makes 12×8 of ${at('large.png')}`,
    });
    await expect(
      classify(at('any.engine'), images, { ...onFakes(), batch: 5 }),
    ).rejects.toMatchObject({
      code: 'MODEL_UNSUPPORTED',
      message: `${at('any.engine')} was built for batches of at most 4, not of 5`,
    });
  });

  it('refuses an engine that is not the one of its manifest', async () => {
    const other = await buildEngine(at('any.onnx'), { ...onFakes(), profiles: [PROFILE] });
    await saveEngine(other, at('other.engine'));
    await writeFile(
      at('other.engine'),
      (await buildEngine(at('any.onnx'), { ...onFakes(), profiles: [PROFILE] })).plan,
    );
    const path = at('other.engine');
    const options = { images: at('images'), labels: at('classes.json'), ...onFakes() };
    for (const run of [
      () => classify(path, images, onFakes()),
      () => evaluate(path, { ...options, recipe: plain }),
      () => evaluate(at('any.engine'), { ...options, against: path }),
      () => bench(path, onFakes()),
      () => InferenceSession.create(path, onFakes()),
    ]) {
      await expect(run()).rejects.toMatchObject({
        code: 'ENGINE_INVALID',
        message: `${path} is not a usable engine: its SHA-256 is not the one in its manifest`,
      });
    }
    // Without a manifest nobody knows what it should be.
    await rm(`${path}.json`);
    const session = await InferenceSession.create(path, onFakes());
    await session.release();
  });

  it('reads an engine once', async () => {
    // The fakes' plans have no weights in them.
    const [node] = MODEL.nodes;
    const model = smallModel({ ...MODEL, nodes: [{ ...node!, name: 'n'.repeat(4_000_000) }] });
    const built = await buildEngine(model, { ...onFakes(), profiles: [PROFILE] });
    const size = built.plan.byteLength;
    expect(size).toBeGreaterThan(4_000_000);
    await saveEngine(built, at('large.engine'), { recipe: plain });
    const readBytes = async () =>
      Number(/^rchar: (\d+)$/m.exec(await readFile('/proc/self/io', 'utf8'))![1]);
    const labels = at('classes.json');
    const folder = { images: at('images'), labels, count: 3, ...onFakes() };
    for (const run of [
      () => classify(at('large.engine'), images.slice(0, 1), onFakes()),
      () => evaluate(at('large.engine'), folder),
      () => bench(at('large.engine'), { ...onFakes(), duration: 0.01, overhead: false }),
    ]) {
      const before = await readBytes();
      await run();
      expect(((await readBytes()) - before) / size).toBeLessThan(1.5);
    }
  });

  it('fills a batch up to what a profile takes at least', async () => {
    const profile = { image: { ...PROFILE.image, min: [3, 3, 6, 6], opt: [4, 3, 8, 8] } };
    const { plan } = await buildEngine(at('any.onnx'), { ...onFakes(), profiles: [profile] });
    const options = { recipe: plain, labels: at('classes.json') };
    const result = await classify(plan, images.slice(0, 2), { ...options, ...onFakes(), batch: 3 });
    const expected = await classify(reference, images.slice(0, 2), options);
    expect(result.results).toEqual(expected.results);
  });

  it('stops with the reason of an abort, with runs in flight', async () => {
    script({ cuda: { delayUs: 20_000 } });
    const controller = new AbortController();
    const run = classify(at('any.engine'), images, { ...onFakes(), signal: controller.signal });
    setTimeout(() => controller.abort(new Error('enough')), 100);
    await expect(run).rejects.toThrow('enough');
  });

  it('needs a GPU, and says so', async () => {
    script({ cuda: { devices: 0, initError: 100 } });
    await expect(classify(at('any.engine'), images, onFakes())).rejects.toMatchObject({
      code: 'DEVICE_NOT_FOUND',
    });
  });
});

describe('engines that take pixels as they are', () => {
  const pixels: ModelSession = {
    ...reference,
    inputs: [{ name: 'image', type: 'uint8', shape: ['n', 'h', 'w', 3] }],
  };

  it('are fed with bytes', async () => {
    const model = typedModel({ ...MODEL, inputs: { image: ['n', 'h', 'w', 3] } }, { image: 2 });
    const profile = { image: { min: [1, 6, 6, 3], opt: [2, 8, 8, 3], max: [4, 9, 9, 3] } };
    const { plan } = await buildEngine(model, { ...onFakes(), profiles: [profile] });
    const options = { recipe: plain, labels: at('classes.json') };
    const engine = await classify(plan, images, { ...options, ...onFakes() });
    const expected = await classify(pixels, images, options);
    expect(engine.results).toEqual(expected.results);
    const session = await gpu.session(plan);
    expect(session.inputs[0]).toMatchObject({ type: 'uint8', shape: ['?', '?', '?', 3] });
    await session.release();
  });

  it('stand beside models that take floats', async () => {
    const options = { images: at('images'), labels: at('classes.json'), recipe: plain };
    const both = await evaluate(reference, { ...options, against: pixels });
    const alone = await evaluate(reference, { ...options, against: reference });
    expect(both.model.accuracy).toEqual(alone.model.accuracy);
    expect(both.comparison!.maxLogitDifference).toBeGreaterThan(100);
  });
});

describe('classify an ONNX model with TensorRT', () => {
  it('builds an engine for the sizes that the images have', async () => {
    const options = { recipe: plain, labels: at('classes.json') };
    const expected = await classify(reference, images, options);
    for (const batch of [1, 4]) {
      const result = await classify(at('any.onnx'), images, {
        ...options,
        ...onFakes(),
        provider: 'tensorrt',
        batch,
      });
      expect(result.provider).toBe('tensorrt');
      expect(result.results).toEqual(expected.results);
    }
  });

  it('builds an engine for the GPU that runs it', async () => {
    const report = at('builds.jsonl');
    script({ cuda: { devices: 2 }, tensorrt: { buildReport: report } });
    const gpu1 = { ...onFakes(), provider: 'tensorrt', deviceId: 1 } as const;
    await classify(at('any.onnx'), images.slice(0, 1), { ...gpu1, recipe: plain });
    const folder = { images: at('images'), fraction: 1, recipe: plain };
    await calibrateFolder(at('any.onnx'), { ...gpu1, ...folder });
    const shapes = { image: [1, 3, 8, 8] };
    await bench(at('any.onnx'), { ...gpu1, shapes, duration: 0.01, overhead: false });
    const lines = (await readFile(report, 'utf8')).trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line).device)).toEqual([1, 1, 1]);
  });

  it('takes ONNX Runtime under auto where there is no GPU', async () => {
    script({ cuda: { devices: 0, initError: 100 } });
    const result = await classify(at('model.onnx'), images.slice(0, 1), {
      recipe: plain,
      provider: 'auto',
      ...onFakes(),
    });
    expect(result.provider).toBe('onnxruntime-cpu');
  });

  it('knows no other provider', async () => {
    const run = classify(at('model.onnx'), images, { provider: 'cuda' as 'auto' });
    await expect(run).rejects.toThrow('for provider but received "cuda"');
  });
});

describe('evaluate with an engine', () => {
  it('compares it with another model on the same images', async () => {
    const result = await evaluate(at('any.engine'), {
      images: at('images'),
      against: reference,
      batch: 4,
      ...onFakes(),
    });
    expect(result.images).toBe(28);
    expect(result.comparison).toMatchObject({
      agreed: 28,
      maxLogitDifference: 0,
      maxConfidenceDifference: 0,
      meanConfidenceDifference: 0,
    });
    expect(result.model.accuracy).toEqual(result.against?.accuracy);
  });
});

describe('the command line', () => {
  const library = () => ['--library-dir', gpu.fakes.dir];

  it('classifies with an engine, by argument or by flag', async () => {
    const byFlag = await cliJson([
      ...['classify', '--engine', at('any.engine'), images[0]!, '--device=0', '--inf-streams=3'],
      ...library(),
    ]);
    expect(byFlag.document).toMatchObject({ model: at('any.engine'), provider: 'tensorrt' });
    const byArgument = await cliJson(['classify', at('any.engine'), images[0]!, ...library()]);
    expect(byArgument.document.results).toEqual(byFlag.document.results);
    expect(byFlag.document.results).toHaveLength(1);
  });

  it('says what auto took', async () => {
    const args = [
      'evaluate',
      at('any.onnx'),
      '--images',
      at('images'),
      '--recipe',
      at('plain.json'),
    ];
    const { status, stdout, stderr } = await cli([...args, '--provider=auto', ...library()]);
    expect(stderr).toContain('Run by: tensorrt\n');
    expect(stdout).toContain('Run by             tensorrt');
    expect(status).toBe(0);
  });

  it('builds in the precision that is asked for, and the other model in float32', async () => {
    const cache = at('engines');
    const { status, document } = await cliJson([
      ...['evaluate', at('any.onnx'), '--against', at('any.onnx'), '--images', at('images')],
      ...['--recipe', at('plain.json'), '--provider=tensorrt', '--against-provider=tensorrt'],
      ...['--fp16', '--cache-dir', cache, ...library()],
    ]);
    expect(status).toBe(0);
    expect(document.comparison).toMatchObject({ agreed: 28, maxConfidenceDifference: 0 });
    const { entries } = await listCache({ folder: cache });
    const options = entries.map(({ manifest }) => manifest?.keyParts?.options);
    expect(options).toHaveLength(2);
    expect(options).toContainEqual(expect.objectContaining({ flags: ['fp16'] }));
    expect(options).toContainEqual(expect.objectContaining({ tf32: false }));
  });

  it('takes one model', async () => {
    const args = ['classify', '--engine', at('any.engine'), '--model', at('any.onnx'), images[0]!];
    expect(await cli(args)).toMatchObject({ status: 2 });
  });
});
