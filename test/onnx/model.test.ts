import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  encodeModel,
  GraphIndex,
  graphOf,
  loadModel,
  modelDigest,
  readFloats,
  topologicalSort,
} from '../../lib/onnx/index.js';

const DIGITS = 'examples/digits/model.onnx';
const WITH_BN = 'test/fixtures/ort-calibration/model_bn.onnx';

describe('loadModel', () => {
  it('reads the digits model', async () => {
    const model = await loadModel(DIGITS);
    const graph = graphOf(model);
    expect(graph.node.filter(({ opType }) => opType === 'Conv')).toHaveLength(7);
    expect(graph.input.map(({ name }) => name)).toEqual(['input']);
    expect(graph.output.map(({ name }) => name)).toEqual(['output']);
    expect(model.sha256).toBe(createHash('sha256').update(readFileSync(DIGITS)).digest('hex'));
    expect(await modelDigest(DIGITS)).toBe(model.sha256);
  });

  it.each([DIGITS, WITH_BN])('writes %s back byte for byte', async (path) => {
    expect(Buffer.compare(encodeModel(await loadModel(path)), readFileSync(path))).toBe(0);
  });

  it('indexes and sorts', async () => {
    const graph = graphOf(await loadModel(DIGITS));
    const index = new GraphIndex(graph);
    const conv = graph.node.find(({ opType }) => opType === 'Conv')!;
    expect(index.producer(conv.output[0]!)).toBe(conv);
    expect(readFloats(index.initializer(conv.input[1]!)!).length).toBeGreaterThan(0);
    expect(topologicalSort(graph)).toEqual(graph.node);
  });
});
