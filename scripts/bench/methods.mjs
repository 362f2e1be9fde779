// `npm run bench:methods`: Entropy and Percentile beside ONNX Runtime's Python calibrators, on the same
// machine in the same run. Prints each figure with its target, and one JSON line at the end.
//
// bench:methods [-- --reps 5] [--dist FOLDER of compiled TypeScript, instead of setting up]
//
// Each repetition starts both sides one after the other, in processes of their own, so that other work on
// the machine hits both; the medians of the ratios count. Processor time is told beside wall time.
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

/** Runs within a process: the first ones also compile, as Python does not. */
const RUNS = 5;
const digits = join(root, 'examples', 'digits');

const dist = options.dist === undefined ? join(root, 'dist') : resolve(options.dist);
if (options.dist === undefined) {
  const { setUp } = await import('../setup.mjs');
  await setUp();
}
const { python, problem } = preparePython(log);
if (problem !== undefined) throw new Error(`No Python peer to compare with: ${problem}`);

function ours(model, method, kind, what, runs) {
  const file = join(root, 'scripts', 'bench', 'methods-worker.mjs');
  const result = spawnSync(
    process.execPath,
    [file, dist, model, method.toLowerCase(), kind, what, String(runs)],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 2] },
  );
  if (result.status !== 0) throw new Error(`The measurement of ${method} failed`);
  const measured = JSON.parse(result.stdout.trim().split('\n').at(-1));
  return {
    seconds: median(measured.runs.map(({ seconds }) => seconds)),
    cpu: median(measured.runs.map(({ cpu }) => cpu)),
    first: measured.runs[0].seconds,
    peakMB: measured.peakMB,
  };
}

function theirs(model, method, kind, what, runs) {
  const inputs = kind === 'digits' ? ['--images', what, '--glob', 'd*.png'] : ['--random', what];
  const measured = JSON.parse(
    runPeer(python, 'bench_ort_calibrate.py', [
      ...[model, ...inputs, '--method', method, '--reps', String(runs)],
    ]),
  );
  const { median_s: seconds, median_cpu_s: cpu, peak_rss_mb: peakMB } = measured;
  return { seconds, cpu, peakMB };
}

const checks = [];
function check(what, value, target, shown) {
  const passed = value <= target;
  checks.push({ what, value: Number(value.toFixed(3)), target, passed });
  console.log(`${passed ? 'PASS' : 'FAIL'}  ${what}: ${shown(value)} (at most ${shown(target)})`);
}
const times = (value) => `${value.toFixed(3)}×`;
const tell = (what, value) => console.log(`      ${what}: ${value}`);

function compare(label, model, method, kind, what, runs) {
  const pairs = [];
  for (let i = 0; i < repetitions; i += 1) {
    const sides = i % 2 === 0 ? [ours, theirs] : [theirs, ours];
    const results = sides.map((side) => side(model, method, kind, what, runs));
    const [our, their] = i % 2 === 0 ? results : results.reverse();
    pairs.push({ our, their });
    log(`${label}, ${method}, ${i + 1} of ${repetitions}`);
  }
  const ratio = (of) => median(pairs.map(({ our, their }) => of(our) / of(their)));
  const figures = {
    seconds: ratio(({ seconds }) => seconds),
    cpu: ratio(({ cpu }) => cpu),
    memory: ratio(({ peakMB }) => peakMB),
    peakMB: median(pairs.map(({ our }) => our.peakMB)),
  };
  const both = (of, unit) =>
    `${median(pairs.map(({ our }) => of(our)))} ${unit}, Python ${median(pairs.map(({ their }) => of(their)))} ${unit}`;
  console.log(`\n${label}, ${method}`);
  tell(
    'wall time',
    both(({ seconds }) => Number(seconds.toFixed(3)), 's'),
  );
  tell(
    'processor time',
    both(({ cpu }) => Number(cpu.toFixed(3)), 's'),
  );
  tell('processor time / Python', times(figures.cpu));
  tell(
    'peak memory',
    both(({ peakMB }) => peakMB, 'MB'),
  );
  return { pairs, ...figures };
}

console.log(`${cpus().length} × ${cpus()[0]?.model.trim()}, Node ${process.version}`);
const results = {};
for (const method of ['Entropy', 'Percentile']) {
  const label = 'Digits, 400 PNG files, batch 1';
  const model = join(digits, 'model.onnx');
  const found = compare(label, model, method, 'digits', join(digits, 'images'), RUNS);
  check(`digits, ${method}, time / Python`, found.seconds, 0.8, times);
  check(`digits, ${method}, peak memory / Python`, found.memory, 0.5, times);
  results[`digits ${method}`] = found;
}
const resnet = join(root, 'build', 'bench', 'resnet18d.onnx');
if (!existsSync(resnet)) {
  mkdirSync(join(root, 'build', 'bench'), { recursive: true });
  runPeer(python, 'make_resnet18d.py', [resnet]);
}
const label = 'ResNet18-D, 16 random inputs of 3×288×384';
const found = compare(label, resnet, 'Percentile', 'random', '16x3x288x384', 1);
check('ResNet18-D, Percentile, time / Python', found.seconds, 0.65, times);
check('ResNet18-D, Percentile, peak memory', found.peakMB, 600, (value) => `${value} MB`);
results.resnet = found;

console.log(`\n${JSON.stringify({ checks, results })}`);
process.exitCode = checks.every(({ passed }) => passed) ? 0 : 1;
