// `npm run bench:calibrate`: what MinMax calibration costs beside plain inference, and beside ONNX
// Runtime's Python calibrator. Prints each figure with its target, and one JSON line at the end.
//
// bench:calibrate [-- --reps 5] [--dist FOLDER of compiled TypeScript, instead of setting up]
//
// The parts of a ratio are measured in one process, one after the other, in alternating order, and the
// median of the ratios of all repetitions counts: other work on the machine then hits both.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { cpus } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { median } from './median.mjs';
import { preparePython, runPeer } from './python-peer.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const { values: options } = parseArgs({
  options: { reps: { type: 'string', default: '5' }, dist: { type: 'string' } },
});
const repetitions = Number(options.reps);
const log = (line) => console.error(`bench  ${line}`);

const INPUTS = 64;
/** Digits in a batch: images this small spend more on each run than on what it computes. */
const BATCH = 8;
const DIGITS = join(root, 'examples', 'digits');
const digitsModel = join(DIGITS, 'model.onnx');
const digitsImages = join(DIGITS, 'images');

const dist = options.dist === undefined ? join(root, 'dist') : resolve(options.dist);
if (options.dist === undefined) {
  const { setUp } = await import('../setup.mjs');
  await setUp();
}

function worker(...arguments_) {
  const file = join(root, 'scripts', 'bench', 'calibrate-worker.mjs');
  const result = spawnSync(process.execPath, [file, dist, ...arguments_.map(String)], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 2],
  });
  if (result.status !== 0) throw new Error(`The measurement ${arguments_[0]} failed`);
  return JSON.parse(result.stdout.trim().split('\n').at(-1));
}

const checks = [];
function check(what, value, target, unit = '×') {
  const passed = value <= target;
  checks.push({ what, value: Number(value.toFixed(3)), target: Number(target.toFixed(3)), passed });
  const shown = (number) =>
    unit === '×' ? `${number.toFixed(3)}×` : `${number.toFixed(0)} ${unit}`;
  console.log(`${passed ? 'PASS' : 'FAIL'}  ${what}: ${shown(value)} (at most ${shown(target)})`);
}
const tell = (what, value) => console.log(`      ${what}: ${value}`);

const { python, problem } = preparePython(log);
if (problem !== undefined) log(`without the Python peer: ${problem}`);
const peer = (...arguments_) =>
  JSON.parse(runPeer(python, 'bench_ort_calibrate.py', [...arguments_, '--reps', '1']));

console.log(`${cpus().length} × ${cpus()[0]?.model.trim()}, Node ${process.version}`);

const resnet = join(root, 'build', 'bench', 'resnet18d.onnx');
if (!existsSync(resnet) && python !== undefined) {
  mkdirSync(join(root, 'build', 'bench'), { recursive: true });
  runPeer(python, 'make_resnet18d.py', [resnet]);
}

const figures = {};
if (existsSync(resnet)) {
  const runs = [];
  const peers = [];
  for (let i = 0; i < repetitions; i++) {
    runs.push(worker('resnet', resnet, INPUTS, i % 2 === 0 ? 'straight' : 'reverse'));
    if (python !== undefined) peers.push(peer(resnet, '--random', `${INPUTS}x3x288x384`));
    log(`ResNet18-D, ${i + 1} of ${repetitions}`);
  }
  const seconds = median(runs.map(({ calibration }) => calibration.seconds));
  console.log(`\nResNet18-D, ${INPUTS} random inputs of 3×288×384, batch 1`);
  tell('plain inference', `${median(runs.map(({ plain }) => plain.seconds)).toFixed(2)} s`);
  tell('calibrate', `${seconds.toFixed(2)} s`);
  check(
    'calibrate / plain inference',
    median(runs.map(({ plain, calibration }) => calibration.seconds / plain.seconds)),
    1.25,
  );
  tell(
    'the same in processor time',
    `${median(runs.map(({ plain, calibration }) => calibration.cpu / plain.cpu)).toFixed(3)}×`,
  );
  if (peers.length > 0) {
    const theirs = peers.map(({ median_s, inference_floor_s }) => median_s / inference_floor_s);
    tell('Python calibrator', `${median(peers.map(({ median_s }) => median_s)).toFixed(2)} s`);
    tell('Python calibrator / its own plain inference', `${median(theirs).toFixed(3)}×`);
    const against = runs.map(({ calibration }, i) => calibration.seconds / peers[i].median_s);
    tell('calibrate / Python calibrator', `${median(against).toFixed(3)}×`);
  }
  const small = worker('resnet-memory', resnet, 64).peakMB;
  const large = worker('resnet-memory', resnet, 512).peakMB;
  tell('peak memory, 64 and 512 inputs', `${small} MB, ${large} MB`);
  check('peak memory, 512 inputs / 64 inputs', large / small, 1.1);
  if (peers.length > 0) {
    const theirs = median(peers.map(({ peak_rss_mb }) => peak_rss_mb));
    check('peak memory against the Python calibrator', small, theirs, 'MB');
  }
  figures.resnet = { runs, peers, peakMB: { 64: small, 512: large } };
} else log('ResNet18-D is left out: the model is made by Python');

function digits(batch) {
  const order = (i) => (i % 2 === 0 ? 'straight' : 'reverse');
  const processes = Array.from({ length: repetitions }, (_, i) =>
    worker('digits', digitsModel, digitsImages, order(i), batch),
  );
  const bare = median(processes.map(({ bareSeconds }) => bareSeconds));
  return { runs: processes.flatMap(({ pairs }) => pairs), bare };
}
const overParts = (runs) =>
  median(runs.map(({ parts, calibration }) => calibration.seconds / parts.seconds));

{
  const { runs, bare } = digits(BATCH);
  const { runs: single } = digits(1);
  const calibrated = median(runs.map(({ calibration }) => calibration.seconds));
  const peers = [];
  for (let i = 0; i < repetitions && python !== undefined; i++) {
    peers.push(peer(digitsModel, '--images', digitsImages, '--glob', 'd*.png'));
  }
  console.log(`\nDigits, PNG files, batch ${BATCH}`);
  tell('decoding + inference', `${median(runs.map(({ parts }) => parts.seconds)).toFixed(3)} s`);
  tell('calibrate', `${calibrated.toFixed(3)} s`);
  check('calibrate / (decoding alone + inference alone)', overParts(runs), 1.1);
  tell('the same with batch 1', `${overParts(single).toFixed(3)}×`);
  tell('sharp alone + inference alone', `${bare.toFixed(3)} s`);
  tell('calibrate / (sharp alone + inference alone)', `${(calibrated / bare).toFixed(3)}×`);
  const { peakMB } = worker('digits-memory', digitsModel, digitsImages, 'straight', BATCH);
  tell('peak memory', `${peakMB} MB`);
  if (peers.length > 0) {
    tell(
      'Python calibrator, batch 1',
      `${median(peers.map(({ median_s }) => median_s)).toFixed(3)} s`,
    );
    tell(
      'Python calibrator, peak memory',
      `${median(peers.map(({ peak_rss_mb }) => peak_rss_mb))} MB`,
    );
    const ours = median(single.map(({ calibration }) => calibration.seconds));
    const theirs = median(peers.map(({ median_s }) => median_s));
    tell('calibrate / Python calibrator, both with batch 1', `${(ours / theirs).toFixed(3)}×`);
  }
  figures.digits = { batch: BATCH, runs, single, peers, peakMB };
}

console.log(`\n${JSON.stringify({ checks, figures, skipped: problem ?? null })}`);
process.exitCode = checks.every(({ passed }) => passed) ? 0 : 1;
