import { describe, expect, it } from 'vitest';
import { AccuracyCounter } from '../../lib/tasks/accuracy.js';
import { ComparisonCounter, cosine, MAX_DISAGREEMENTS } from '../../lib/tasks/comparison.js';
import {
  areProbabilities,
  confidences,
  readScores,
  scoresOutput,
  softmax,
  staticClasses,
  topK,
} from '../../lib/tasks/scores.js';
import { Tensor } from '../../lib/tensor.js';

const scores = (rows: number[][]) => ({
  values: Float32Array.from(rows.flat()),
  rows: rows.length,
  classes: rows[0]!.length,
});

describe('softmax', () => {
  it('is exp over the sum', () => {
    const [a, b, c] = softmax([0, Math.log(2), Math.log(5)]);
    expect(a).toBeCloseTo(1 / 8, 12);
    expect(b).toBeCloseTo(2 / 8, 12);
    expect(c).toBeCloseTo(5 / 8, 12);
  });

  it('survives numbers whose exponential does not fit', () => {
    expect([...softmax([1000, 1000])]).toEqual([0.5, 0.5]);
    expect([...softmax([Number.POSITIVE_INFINITY, 3])]).toEqual([1, 0]);
  });
});

describe('topK', () => {
  it('takes the largest, of equal ones the first, and NaN last', () => {
    expect(topK([1, 5, 3, 5, 2], 3)).toEqual([1, 3, 2]);
    expect(topK([Number.NaN, 1, Number.NEGATIVE_INFINITY], 3)).toEqual([1, 0, 2]);
    expect(topK([4, 3], 5)).toEqual([0, 1]);
    expect(topK([2, 2, 2], 1)).toEqual([0]);
  });
});

describe('areProbabilities', () => {
  it.each([
    [[[0.25, 0.75]], true],
    [[[0.2501, 0.7502]], true],
    [
      [
        [0, 1],
        [0.5, 0.5],
      ],
      true,
    ],
    [
      [
        [0.5, 0.5],
        [2, -1],
      ],
      false,
    ],
    [[[0.4, 0.4]], false],
    [[[1.5, -0.5]], false],
    [[[Number.NaN, 1]], false],
  ])('%j → %s', (rows, answer) => {
    expect(areProbabilities(scores(rows))).toBe(answer);
  });
});

describe('reading the outputs of a model', () => {
  it('takes the floating-point output, or the one that is named', () => {
    const outputs = [
      { name: 'label', type: 'int64', shape: ['n'] },
      { name: 'logits', type: 'float32', shape: ['n', 10] },
    ] as const;
    expect(scoresOutput(outputs, undefined, 'm').name).toBe('logits');
    expect(scoresOutput(outputs, 'label', 'm').name).toBe('label');
    expect(() => scoresOutput(outputs, 'x', 'm')).toThrow(TypeError);
    expect(() => scoresOutput(outputs.slice(0, 1), undefined, 'm')).toThrow(
      'm has no output with a number for each class (label: int64 [n])',
    );
  });

  it('knows the number of classes when the model does', () => {
    const value = { name: 'o', type: 'float32' as const };
    expect(staticClasses({ ...value, shape: ['n', 7] })).toBe(7);
    expect(staticClasses({ ...value, shape: [7] })).toBe(7);
    expect(staticClasses({ ...value, shape: ['n', 'classes'] })).toBeUndefined();
  });

  it('reads [n, c], [n, c, 1, 1] and, for one image, [c]', () => {
    const data = Float32Array.of(1, 2, 3, 4);
    expect(readScores(new Tensor('float32', data, [2, 2]), 2, 'm').classes).toBe(2);
    expect(readScores(new Tensor('float32', data, [2, 2, 1, 1]), 2, 'm').classes).toBe(2);
    expect(readScores(new Tensor('float32', data, [4]), 1, 'm').classes).toBe(4);
    const half = new Tensor('float16', Uint16Array.of(0x3c00, 0xc000), [1, 2]);
    expect([...readScores(half, 1, 'm').values]).toEqual([1, -2]);
    expect([...confidences(scores([[0, 0]]), 0, true)]).toEqual([0.5, 0.5]);
    expect([...confidences(scores([[0, 1]]), 0, false)]).toEqual([0, 1]);
  });

  it.each([
    [new Tensor('float32', new Float32Array(8), [1, 2, 2, 2]), 1],
    [new Tensor('float32', new Float32Array(4), [4]), 2],
    [new Tensor('int64', new BigInt64Array(2), [1, 2]), 1],
    [new Tensor('float32', new Float32Array(0), [1, 0]), 1],
  ])('refuses what is not one number a class', (tensor, rows) => {
    expect(() => readScores(tensor, rows, 'm')).toThrow('not one number a class');
  });
});

describe('AccuracyCounter', () => {
  it('counts top-1, top-5, classes and confusion', () => {
    const counter = new AccuracyCounter(['a', 'b', 'c', 'd', 'e', 'f', 'g']);
    const row = (first: number, last: number) =>
      Array.from({ length: 7 }, (_, index) => (index === first ? 9 : index === last ? -9 : -index));
    expect(counter.add(0, row(0, 6))).toBe(0);
    counter.add(0, row(1, 6));
    counter.add(1, row(1, 6));
    counter.add(6, row(0, 6));
    const { images, correct, top1, top5, classes, confusion } = counter.result();
    expect({ images, correct, top1, top5 }).toEqual({
      images: 4,
      correct: 2,
      top1: 0.5,
      top5: 0.75,
    });
    expect(classes[0]).toEqual({
      label: 'a',
      count: 2,
      correct: 1,
      predicted: 2,
      precision: 0.5,
      recall: 0.5,
    });
    expect(classes[2]).toMatchObject({ count: 0, precision: null, recall: null });
    expect(classes[6]).toMatchObject({ count: 1, precision: null, recall: 0 });
    expect(confusion[0]).toEqual([1, 1, 0, 0, 0, 0, 0]);
    expect(confusion[6]).toEqual([1, 0, 0, 0, 0, 0, 0]);
  });

  it('is zero without images', () => {
    expect(new AccuracyCounter(['a']).result()).toMatchObject({ images: 0, top1: 0, top5: 0 });
  });
});

describe('ComparisonCounter', () => {
  const image = (source: string, a: number[], b: number[], actual?: string) => ({
    source,
    scores: a,
    againstScores: b,
    confidence: softmax(a),
    againstConfidence: softmax(b),
    ...(actual === undefined ? {} : { actual }),
  });

  it('measures distance, agreement and confidence by hand-computed figures', () => {
    const counter = new ComparisonCounter((index) => `class ${index}`);
    counter.add(image('x', [3, 4], [3, 4]));
    counter.add(image('y', [1, 0], [0, 2], 'class 0'));
    const result = counter.result();
    expect(result).toMatchObject({
      images: 2,
      agreed: 1,
      agreement: 0.5,
      matched: 1,
      meanLogitDifference: 0.75,
      maxLogitDifference: 2,
      meanCosine: 0.5,
      minCosine: 0,
      disagreements: [{ source: 'y', actual: 'class 0', predicted: 'class 0', against: 'class 1' }],
    });
    const e = Math.E;
    const change = e / (e + 1) - 1 / (1 + e ** 2);
    expect(result.maxConfidenceDifference).toBeCloseTo(change, 12);
    expect(result.meanConfidenceDifference).toBeCloseTo(change / 2, 12);
  });

  it('matches images of the same class whose confidence is within 0.05', () => {
    const counter = new ComparisonCounter(String);
    // 0.7311, then 0.7685 and 0.7858.
    counter.add(image('near', [1, 0], [1.2, 0]));
    counter.add(image('far', [1, 0], [1.3, 0]));
    expect(counter.result()).toMatchObject({ agreed: 2, matched: 1 });
  });

  it('lists a bounded number of images', () => {
    const counter = new ComparisonCounter(String);
    for (let index = 0; index < MAX_DISAGREEMENTS + 20; index += 1) {
      counter.add(image(String(index), [1, 0], [0, 1]));
    }
    expect(counter.result().disagreements).toHaveLength(MAX_DISAGREEMENTS);
    expect(counter.result().agreed).toBe(0);
  });

  it('has a cosine for vectors of zeros', () => {
    expect(cosine([0, 0], [0, 0])).toBe(1);
    expect(cosine([0, 0], [1, 0])).toBe(0);
    expect(cosine([1, 0], [-1, 0])).toBe(-1);
    expect(new ComparisonCounter(String).result()).toMatchObject({ images: 0, agreement: 0 });
  });
});
