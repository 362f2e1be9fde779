// Calibrates by a histogram method in a process of its own; prints one JSON line.
// methods-worker.mjs DIST MODEL METHOD digits FOLDER REPS BATCH
// methods-worker.mjs DIST MODEL METHOD random NxCxHxW REPS BATCH
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import v8 from 'node:v8';

// As the command does it: see lib/cli/launcher.cts.
v8.setFlagsFromString('--semi-space-growth-factor=1');

const [dist, model, method, kind, what, reps, size] = process.argv.slice(2);
const batch = Number(size ?? 1);
const lib = (file) => import(pathToFileURL(`${dist}/${file}`).href);

/** The digits, decoded while calibrating, as the Python peer does it. */
async function digits() {
  const { listImages } = await lib('dataset/index.js');
  const { calibrateFolder } = await lib('tasks/index.js');
  const names = (await listImages(what)).filter((file) => /(^|\/)d[^/]*\.png$/.test(file));
  const files = join(folder, 'files.txt');
  writeFileSync(files, names.map((name) => `${name}\n`).join(''));
  const recipe = { resize: { mode: 'none' } };
  const options = { images: what, files, recipe, method, batch, out: folder };
  return async () => (await calibrateFolder(model, options)).table;
}

/** Uniform numbers in [0, 1), kept in memory, as the Python peer does it. */
async function random() {
  const { Tensor } = await lib('tensor.js');
  const [count, ...dims] = what.split('x').map(Number);
  const inputs = Array.from({ length: count }, (_, seed) => {
    let state = (seed + 1) * 0x9e3779b9;
    return Float32Array.from({ length: dims.reduce((product, dim) => product * dim) }, () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return state / 2 ** 32;
    });
  });
  const { calibrate, writeTables } = await lib('calibration/index.js');
  const batches = inputs.map((data) => ({ input: new Tensor('float32', data, [1, ...dims]) }));
  return async () => {
    const table = await calibrate(model, batches, { method });
    await writeTables(table, folder);
    return table;
  };
}

const folder = mkdtempSync(join(tmpdir(), 'bench-methods-'));
const calibrate = await (kind === 'digits' ? digits() : random());
const runs = [];
let tensors = 0;
for (let i = 0; i < Number(reps); i += 1) {
  const usage = process.cpuUsage();
  const start = performance.now();
  const table = await calibrate();
  const { user, system } = process.cpuUsage(usage);
  runs.push({ seconds: (performance.now() - start) / 1000, cpu: (user + system) / 1e6 });
  tensors = table.size;
}
rmSync(folder, { recursive: true });
const peakMB = Math.round(process.resourceUsage().maxRSS / 1024);
console.log(JSON.stringify({ tensors, runs, peakMB }));
