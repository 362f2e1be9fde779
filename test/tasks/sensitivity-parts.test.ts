import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { graphOf, loadModel, type OnnxModel } from '../../lib/onnx/index.js';
import { resolveRecipe } from '../../lib/preprocess/index.js';
import { AgreementCounter, type AgreementScore } from '../../lib/tasks/agreement.js';
import { excludeListText, readExcludeList } from '../../lib/tasks/exclude-list.js';
import { HeldBatches } from '../../lib/tasks/held-batches.js';
import { proposalOf } from '../../lib/tasks/sensitivity-result.js';
import { ranked, smallestSet, type UnitSensitivity } from '../../lib/tasks/sensitivity-search.js';
import { blocksOf, sensitivityUnits } from '../../lib/tasks/sensitivity-units.js';
import { quantize } from '../quantization/helpers.js';
import { FAMILIES } from '../support/families.js';
import { colourFolder } from './colours.js';

const digits = await loadModel(readFileSync('examples/digits/model.onnx'));

/** Sizes of the blocks with more than one quantized node, by name. */
function blocks(model: OnnxModel): Record<string, number> {
  const units = sensitivityUnits(graphOf(model), quantize(model).report, 'block');
  const several = units.filter(({ nodes }) => nodes.length > 1);
  return Object.fromEntries(several.map(({ name, nodes }) => [name, nodes.length]));
}

describe('blocks', () => {
  it('are what a residual connection spans; nodes in a row stand alone', () => {
    const found = blocksOf(graphOf(digits));
    const of = (name: string) => found.get(`/layer1/layer1.0/${name}`);
    expect(of('conv1/Conv')).toBe(of('Add'));
    expect(of('downsample/downsample.1/Conv')).toBe(of('Add'));
    expect(found.get('/conv1/Conv')).not.toBe(found.get('/maxpool/MaxPool'));
    expect(found.get('/layer2/layer2.0/conv1/Conv')).not.toBe(of('Add'));
    expect(blocks(digits)).toEqual({ '/layer1/layer1.0': 5, '/layer2/layer2.0': 5 });
  });

  it('do not depend on names', () => {
    const model = FAMILIES.RegNetY({ opset: 17, naming: 'dynamo' });
    const named = FAMILIES.RegNetY({ opset: 17 });
    expect(Object.values(blocks(model))).toEqual(Object.values(blocks(named)));
    expect(Object.values(blocks(named)).length).toBeGreaterThanOrEqual(2);
  });

  it('hold each node that is quantized exactly once', () => {
    for (const make of Object.values(FAMILIES)) {
      const model = make({ opset: 17 });
      const { report } = quantize(model);
      const units = sensitivityUnits(graphOf(model), report, 'block');
      const nodes = units.flatMap((unit) => unit.nodes).sort();
      const quantized = report.nodes.filter((node) => node.quantized).map(({ name }) => name);
      expect(nodes).toEqual(quantized.sort());
      expect(new Set(units.map(({ name }) => name)).size).toBe(units.length);
    }
  });
});

/** A score of 100 images. */
function score(agreed: number, distance: number): AgreementScore {
  const relativeDistance = distance;
  return {
    images: 100,
    agreed,
    agreement: agreed / 100,
    logitDistance: distance,
    relativeDistance,
  };
}

function unit(name: string, agreementCost: number, distanceCost: number): UnitSensitivity {
  return {
    name,
    nodes: [name],
    opTypes: ['Conv'],
    score: score(0, 0),
    agreementCost,
    distanceCost,
  };
}

describe('the smallest set', () => {
  const units = [
    unit('a', 0.02, 0.1),
    unit('b', 0.03, 0.3),
    unit('c', 0, 0.5),
    unit('d', 0, Number.NaN),
  ];

  it('ranks by one figure, then by the other; what is no number comes last', () => {
    expect(ranked(units, 'agreement').map(({ name }) => name)).toEqual(['b', 'a', 'c', 'd']);
    expect(ranked(units, 'distance').map(({ name }) => name)).toEqual(['c', 'b', 'a', 'd']);
  });

  /** Scores sets by names, and keeps what was asked. */
  function scorer(good: (names: string) => boolean) {
    const asked: string[] = [];
    const scoreOf = async (set: readonly { name: string }[]) => {
      const names = set
        .map(({ name }) => name)
        .sort()
        .join('');
      asked.push(names);
      return good(names) ? score(99, 0.01) : score(90, 0.2);
    };
    return { asked, scoreOf };
  }

  it('is found by adding, and loses what it does not need', async () => {
    const { asked, scoreOf } = scorer((names) => names.includes('a'));
    const found = await smallestSet(units, score(90, 0.2), 'agreement', 0.01, scoreOf);
    expect(found.units.map(({ name }) => name)).toEqual(['a']);
    expect(found.meets).toBe(true);
    // A drop of 1 of 100 is 0.01, although 1 − 0.99 is a little more.
    expect(found.score.agreed).toBe(99);
    expect(asked).toEqual(['b', 'ab', 'b', 'a']);
  });

  it('is looked for in both orders', async () => {
    const { scoreOf } = scorer((names) => names.includes('c') || names.includes('ab'));
    const found = await smallestSet(units, score(90, 0.2), 'agreement', 0.01, scoreOf);
    expect(found.units.map(({ name }) => name)).toEqual(['c']);
  });

  it('is empty where nothing need be float, and said to fail where nothing helps', async () => {
    const { asked, scoreOf } = scorer(() => false);
    const none = await smallestSet(units, score(99, 0), 'agreement', 0.01, scoreOf);
    expect(none).toMatchObject({ units: [], meets: true });
    expect(asked).toEqual([]);
    const failed = await smallestSet(units, score(90, 0), 'distance', 0, scoreOf);
    expect(failed.meets).toBe(true);
    const worse = await smallestSet(units, score(90, 1), 'distance', 0.1, scoreOf);
    expect(worse).toMatchObject({ meets: false });
    expect(worse.units).toHaveLength(4);
  });
});

describe('a proposal', () => {
  it('has no spelling for trtexec when a name holds a separator', () => {
    const found = { units: [unit('a:0', 1, 1)], score: score(100, 0), meets: true };
    expect(proposalOf(found, 'agreement', ['b']).layerPrecisions).toBeUndefined();
    const plain = { ...found, units: [unit('a', 1, 1)] };
    expect(proposalOf(plain, 'agreement', ['b']).layerPrecisions).toBe('b:fp32,a:fp32');
  });
});

describe('the list of nodes', () => {
  it('is read as it was written, without comments', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'trtn-list-'));
    const file = join(folder, 'float.txt');
    await writeFile(
      file,
      `\uFEFF${excludeListText(['/conv 1/Conv', 'b,c'], ['made of x'])}\r\n \r\n`,
    );
    expect(await readExcludeList(file)).toEqual(['/conv 1/Conv', 'b,c']);
    await rm(folder, { recursive: true });
    await expect(readExcludeList(file)).rejects.toMatchObject({
      code: 'FILE_NOT_FOUND',
      remedy: 'Check the path given to --exclude-file.',
    });
  });
});

describe('agreement', () => {
  it('counts classes, and differences as parts of the outputs', () => {
    const counter = new AgreementCounter();
    counter.add([1, 3, -2], [1, 2, -2]);
    counter.add([2, 0, 0], [1, 2, 0]);
    expect(counter.result()).toEqual({
      images: 2,
      agreed: 1,
      agreement: 0.5,
      logitDistance: 4 / 6,
      relativeDistance: 0.5,
    });
    expect(new AgreementCounter().result().agreement).toBe(0);
  });
});

describe('held batches', () => {
  it.each([
    [undefined, 'held'],
    [1, 'prepared anew'],
  ])('are the same each time, %s bytes: %s', async (bytes: number | undefined, _what: string) => {
    const root = await colourFolder();
    const sources = ['images/red/1.png', 'images/green/1.png', 'images/none.png'];
    const input = {
      ...{ name: 'input', type: 'float32' as const, label: 'model' },
      ...{ batch: undefined, height: undefined, width: undefined },
    };
    const batches = new HeldBatches({
      ...{ sources, root, input, batching: { skipBroken: true } },
      recipe: await resolveRecipe({ resize: { mode: 'none' } }),
      ...(bytes === undefined ? {} : { bytes }),
    });
    const passes: number[][] = [];
    for (let pass = 0; pass < 3; pass += 1) {
      const means: number[] = [];
      for await (const { tensor } of batches.batches())
        means.push(tensor.data[0]!, tensor.data[64]!);
      passes.push(means);
      // Held images do not need their files any more.
      if (pass === 0 && bytes === undefined) await rm(root, { recursive: true });
    }
    expect(passes).toEqual([
      [1, 0, 0, 1],
      [1, 0, 0, 1],
      [1, 0, 0, 1],
    ]);
    expect(batches.broken.map(({ source }) => source)).toEqual(['images/none.png']);
    await rm(root, { recursive: true, force: true });
  });
});
