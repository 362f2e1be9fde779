import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { GraphProvider, InnerTensor } from '../../lib/calibration/index.js';
import { planMinMax } from '../../lib/calibration/minmax/plan.js';
import { addReductions } from '../../lib/calibration/minmax/reductions.js';
import { sessionModel } from '../../lib/calibration/onnxruntime/session-model.js';
import { valueGroups } from '../../lib/calibration/values/pieces.js';
import { describeModel, encodeModel, graphOf, loadModel } from '../../lib/onnx/index.js';
import { quantizeModel } from '../../lib/quantization/index.js';
import { sensitivityUnits } from '../../lib/tasks/sensitivity-units.js';
import { mutate, seeded } from '../calibration/tables/mutate.js';
import { FAMILIES } from '../support/families.js';
import { Random } from '../support/graph-builder.js';
import { damage } from './damage.js';
import { Outcomes, SEED } from './limits.js';

const COUNT = Number(process.env.FUZZ_MODELS ?? 2000);
const MODELS = [
  ...[
    'examples/digits/model.onnx',
    'test/fixtures/ort-calibration/model_bn.onnx',
    'test/fixtures/ort-calibration/qdq_s8s8_sym_minmax.onnx',
  ].map((path) => new Uint8Array(readFileSync(path))),
  ...Object.values(FAMILIES).map((make) => encodeModel(make({ opset: 13 }))),
];

/** Takes every tensor for a float32 image: the preparation must hold against wrong shapes, too. */
const provider: GraphProvider = {
  name: 'none',
  versions: async () => ({}),
  describe: async (_model, names) =>
    new Map(
      names.map((name): [string, InnerTensor] => [
        name,
        { type: 'float32', shape: ['n', 8, 9, 9] },
      ]),
    ),
  open: async () => Promise.reject(new Error('nothing runs here')),
};

/** Everything that happens to a model before it runs. */
async function prepare(bytes: Uint8Array): Promise<void> {
  const model = await loadModel(bytes);
  describeModel(model);
  const plan = await planMinMax(model, provider, true);
  valueGroups(plan);
  const reduced = addReductions(model, plan.reduced, { rows: true, magnitudes: true });
  sessionModel(reduced.model);
  const graph = graphOf(model);
  const names = [...graph.input.map(({ name }) => name), ...graph.node.flatMap((n) => n.output)];
  const amax = new Map(names.map((name) => [name, 1]));
  const options = { missingRanges: 'float' as const };
  const { model: quantized, report } = quantizeModel(model, amax, options);
  sensitivityUnits(graph, report, 'block');
  encodeModel(quantized);
  encodeModel(quantizeModel(model, amax, { ...options, fp16: true }).model);
}

describe('damaged models', () => {
  it('whose bytes are damaged: a result or an error with a code', async () => {
    const random = seeded(SEED + 2);
    const outcomes = new Outcomes();
    for (let i = 0; i < COUNT / 2; i += 1) {
      const bytes = mutate(MODELS[i % MODELS.length]!, random, MODELS);
      await outcomes.run(`bytes ${i} of seed ${SEED + 2}`, () => prepare(bytes));
    }
    expect(outcomes.check()).toEqual(expect.arrayContaining(['MODEL_INVALID', 'fine']));
  });

  it('whose graph is damaged: a result or an error with a code', async () => {
    const random = new Random(SEED + 3);
    const outcomes = new Outcomes();
    for (let i = 0; i < COUNT / 2; i += 1) {
      const { proto } = await loadModel(MODELS[i % MODELS.length]!);
      for (let changes = 1 + Math.floor(random.uniform() * 3); changes > 0; changes -= 1) {
        damage(proto.graph!, random);
      }
      const bytes = encodeModel(proto);
      await outcomes.run(`graph ${i} of seed ${SEED + 3}`, () => prepare(bytes));
    }
    expect(outcomes.check()).toEqual(expect.arrayContaining(['MODEL_INVALID', 'fine']));
  });
});
