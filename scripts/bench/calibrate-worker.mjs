// One measurement of bench:calibrate in a process of its own; prints one JSON line.
// calibrate-worker.mjs DIST KIND MODEL [COUNT|FOLDER] [straight|reverse] [BATCH]
import { pathToFileURL } from 'node:url';

const [dist, kind, model, what, order, images] = process.argv.slice(2);
const batch = Number(images ?? 1);
const lib = (file) => import(pathToFileURL(`${dist}/${file}`).href);

/** Pairs of measurements of the digits in one process. */
const PAIRS = 12;
const WARM_UP = 8;
const SHAPE = [1, 3, 288, 384];
const SIZE = SHAPE.reduce((product, dim) => product * dim);

/** Uniform numbers in [0, 1), the same in every run. */
function randomInput(seed, target = new Float32Array(SIZE)) {
  let state = (seed + 1) * 0x9e3779b9;
  for (let i = 0; i < target.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    target[i] = state / 2 ** 32;
  }
  return target;
}

async function timed(work) {
  const usage = process.cpuUsage();
  const start = performance.now();
  await work();
  const { user, system } = process.cpuUsage(usage);
  return { seconds: (performance.now() - start) / 1000, cpu: (user + system) / 1e6 };
}

async function plainSession() {
  const { loadOnnxRuntime, onnxRuntimeSessionOptions } = await lib('runtime/onnxruntime.js');
  const ort = await loadOnnxRuntime();
  const session = await ort.InferenceSession.create(model, onnxRuntimeSessionOptions());
  const [input] = session.inputNames;
  const run = (data, dims) => session.run({ [input]: new ort.Tensor('float32', data, dims) });
  return { session, input, run };
}

/** Runs the measurements in one order, or in the other: neither is always the first. */
async function paired(first, second, reverse = order === 'reverse') {
  if (!reverse) return [await timed(first), await timed(second)];
  const last = await timed(second);
  return [await timed(first), last];
}

async function resnet() {
  const { calibrate } = await lib('calibration/index.js');
  const { Tensor } = await lib('tensor.js');
  const inputs = Array.from({ length: Number(what) }, (_, i) => randomInput(i));
  const { session, input, run } = await plainSession();
  for (const data of inputs.slice(0, 3)) await run(data, SHAPE);
  const [plain, calibration] = await paired(
    async () => {
      for (const data of inputs) await run(data, SHAPE);
    },
    async () => {
      const batches = inputs.map((data) => ({ [input]: new Tensor('float32', data, SHAPE) }));
      await calibrate(model, batches);
    },
  );
  await session.release();
  return { plain, calibration };
}

async function digitFiles() {
  const { listImages } = await lib('dataset/index.js');
  const { resolveRecipe } = await lib('preprocess/index.js');
  const files = (await listImages(what)).filter((file) => /(^|\/)d[^/]*\.png$/.test(file));
  return { files, recipe: await resolveRecipe({ resize: { mode: 'none' } }) };
}

/** Seconds that sharp alone takes to decode the files, and the model to run; the best of a few times. */
async function bareParts(files, infer) {
  const { default: sharp } = await import('sharp');
  sharp.concurrency(1);
  const decode = async () => {
    const waiting = files.values();
    const worker = async () => {
      for (const file of waiting) await sharp(`${what}/${file}`).removeAlpha().raw().toBuffer();
    };
    await Promise.all(Array.from({ length: 8 }, worker));
  };
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < WARM_UP; i++) {
    const parts = [await timed(decode), await timed(infer)];
    best = Math.min(best, parts[0].seconds + parts[1].seconds);
  }
  return best;
}

async function digits() {
  const { calibrate } = await lib('calibration/index.js');
  const { imageBatches } = await lib('preprocess/index.js');
  const { files, recipe } = await digitFiles();
  const { session, input, run } = await plainSession();

  const decoding = (sources) => imageBatches(sources, recipe, { root: what, batch });
  async function* batches(sources) {
    for await (const { tensor } of decoding(sources)) yield { [input]: tensor };
  }
  const decoded = [];
  for await (const { tensor } of decoding(files)) {
    decoded.push({ data: tensor.data.slice(), dims: tensor.dims });
  }
  const infer = async () => {
    for (const { data, dims } of decoded) await run(data, dims);
  };
  const pairs = [];
  const measure = (reverse) =>
    paired(
      async () => {
        for await (const _ of decoding(files));
        await infer();
      },
      () => calibrate(model, batches(files)),
      reverse,
    );
  // The first pairs compile the code of both sides, and are not counted.
  for (let i = 0; i < WARM_UP + PAIRS; i++) pairs.push(await measure(i % 2 === 1));
  const bareSeconds = await bareParts(files, infer);
  await session.release();
  const counted = pairs.slice(WARM_UP).map(([parts, calibration]) => ({ parts, calibration }));
  return { images: files.length, bareSeconds, pairs: counted };
}

async function resnetMemory() {
  const { calibrate } = await lib('calibration/index.js');
  const { Tensor } = await lib('tensor.js');
  const data = new Float32Array(SIZE);
  await calibrate(
    model,
    (function* () {
      for (let i = 0; i < Number(what); i++) {
        yield { input: new Tensor('float32', randomInput(i, data), SHAPE) };
      }
    })(),
  );
}

async function digitsMemory() {
  const { calibrate } = await lib('calibration/index.js');
  const { imageBatches } = await lib('preprocess/index.js');
  const { files, recipe } = await digitFiles();
  async function* batches() {
    for await (const { tensor } of imageBatches(files, recipe, { root: what, batch })) {
      yield { input: tensor };
    }
  }
  await calibrate(model, batches());
}

const kinds = { resnet, digits, 'resnet-memory': resnetMemory, 'digits-memory': digitsMemory };
const result = await kinds[kind]();
const peakMB = Math.round(process.resourceUsage().maxRSS / 1024);
console.log(JSON.stringify({ ...result, peakMB }));
