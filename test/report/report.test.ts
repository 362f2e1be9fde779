import { describe, expect, it } from 'vitest';
import {
  doctorText,
  evaluationText,
  formatBytes,
  formatCount,
  formatDuration,
  formatNumber,
  formatPercent,
  quantizationText,
  textTable,
} from '../../lib/report/index.js';
import type { DoctorReport } from '../../lib/runtime/index.js';
import { AccuracyCounter } from '../../lib/tasks/accuracy.js';
import { ComparisonCounter } from '../../lib/tasks/comparison.js';

describe('textTable', () => {
  it('aligns columns under their titles, without trailing spaces', () => {
    expect(
      textTable(
        [
          ['a', '1'],
          ['long name', '20', 'x'],
        ],
        ['left', 'right'],
        ['Name', 'N'],
      ),
    ).toBe(['Name        N', '---------  --  -', 'a           1', 'long name  20  x'].join('\n'));
  });

  it('counts letters, not bytes', () => {
    expect(
      textTable([
        ['äöü', 'x'],
        ['🙂', 'y'],
      ]),
    ).toBe('äöü  x\n🙂    y');
    expect(textTable([])).toBe('');
  });
});

describe('numbers with units', () => {
  it.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1536, '1.5 KiB'],
    [5 * 2 ** 30, '5.0 GiB'],
    [2 ** 52, '4096.0 TiB'],
  ])('%d bytes are %s', (bytes, text) => expect(formatBytes(bytes)).toBe(text));

  it.each([
    [0.85, '850 µs'],
    [12.34, '12.3 ms'],
    [850, '850 ms'],
    [4510, '4.5 s'],
    [200_000, '3 min 20 s'],
    [3_900_000, '1 h 05 min'],
  ])('%d ms are %s', (ms, text) => expect(formatDuration(ms)).toBe(text));

  it('rounds numbers and counts things', () => {
    expect(formatPercent(0.95123)).toBe('95.12 %');
    expect(formatNumber(0.000123456)).toBe('0.0001235');
    expect(formatNumber(Number.POSITIVE_INFINITY)).toBe('Infinity');
    expect(formatNumber(0)).toBe('0');
    expect(formatCount(1, 'image')).toBe('1 image');
    expect(formatCount(12345, 'image')).toBe('12,345 images');
  });
});

describe('evaluationText', () => {
  const result = (classes: number) => {
    const labels = Array.from({ length: classes }, (_, index) => `class ${index}`);
    const counter = new AccuracyCounter(labels);
    const row = (first: number) => labels.map((_, index) => (index === first ? 1 : 0));
    for (let count = 0; count < 3; count += 1) counter.add(1, row(2));
    counter.add(0, row(0));
    return {
      model: {
        model: 'm.onnx',
        accuracy: counter.result(),
        softmaxApplied: true,
        provider: 'p',
        inferenceMs: 8,
      },
      images: 4,
      broken: [],
      recipe: {} as never,
    };
  };

  it('shows a matrix for few classes and the worst confusions for many', () => {
    expect(evaluationText(result(3))).toMatch(/^class 1 +· +· +3$/m);
    const many = evaluationText(result(30));
    expect(many).toContain('Most frequent confusions\n3  class 1 taken for class 2');
    expect(many).toMatch(/^class 1 +3 +0 +– +0\.0 %$/m);
    const most = evaluationText(result(200));
    expect(most).not.toContain('Precision');
    expect(most).toMatch(/Time in the model +2\.0 ms an image/);
  });

  it('says when nothing was confused', () => {
    const perfect = new AccuracyCounter(Array.from({ length: 30 }, (_, index) => String(index)));
    perfect.add(0, [1]);
    const { model, ...rest } = result(3);
    const text = evaluationText({ ...rest, model: { ...model, accuracy: perfect.result() } });
    expect(text).toContain('No class was taken for another.');
  });

  it('lists ten images on which two models differ, and counts the rest', () => {
    const counter = new ComparisonCounter(String);
    for (let index = 0; index < 12; index += 1) {
      counter.add({
        source: `${index}.png`,
        scores: [1, 0],
        confidence: [1, 0],
        againstScores: [0, 1],
        againstConfidence: [0, 1],
      });
    }
    const { model, ...rest } = result(3);
    const { accuracy: _, ...bare } = model;
    const text = evaluationText({
      ...rest,
      images: 0,
      model: bare,
      against: { ...bare, model: 'other.onnx' },
      comparison: counter.result(),
    });
    expect(text).toMatch(
      /Same class first +0 of 12 \(0.00 %\)\nand confidence within 0.05 +0 of 12/,
    );
    expect(text).toContain('\n  9.png: 0, then 1\n  and 2 more images');
    expect(text).not.toContain('Top-1');
  });
});

describe('quantizationText', () => {
  const report = {
    target: 'tensorrt' as const,
    alreadyQuantized: false,
    nodes: [],
    counts: { Conv: { quantized: 2, float: 6 } },
    untouched: {},
    tensors: [],
    missingRanges: [],
    foldedConstants: 0,
    foldedBatchNormalization: 4,
    droppedInputs: 0,
    opset: { from: 11, to: 13 },
  };

  it('says that a quantized model was left alone', () => {
    expect(quantizationText({ ...report, alreadyQuantized: true })).toBe(
      'The model is quantized already; it was left as it is.',
    );
  });

  it('groups what stayed float by the reason', () => {
    const nodes = Array.from({ length: 6 }, (_, index) => ({
      name: `n${index}`,
      opType: 'Conv',
      quantized: false,
      reason: 'FEW_CHANNELS' as const,
      explanation: 'Too few channels.',
    }));
    const text = quantizationText({ ...report, nodes });
    expect(text).toContain('opset 11 → 13; 4 BatchNormalization folded');
    expect(text).toContain(
      'Left in float\n  Too few channels.\n    Conv n0, Conv n1, Conv n2, Conv n3, Conv n4 and 1 more',
    );
  });
});

describe('doctorText', () => {
  it('shows GPUs, libraries and modules, and says when nothing is missing', () => {
    const report: DoctorReport = {
      node: { version: 'v20', platform: 'linux', arch: 'x64' },
      threadPool: { size: 4, warning: 'The pool is small.' },
      driver: { cudaVersion: '13.0' },
      devices: [
        {
          index: 0,
          name: 'NVIDIA H200',
          computeCapability: '9.0',
          multiprocessors: 132,
          memoryBytes: 141 * 2 ** 30,
          uuid: 'GPU-x',
          pciBusId: '0000:3b:00.0',
          supported: true,
        },
      ],
      modules: [{ name: 'base', path: '/base.node' }],
      libraries: [
        { family: 'tensorrt10', version: '10.15.1', inferLibrary: '/l.so', source: 'loader' },
        { inferLibrary: '/old.so', source: 'loader', problem: 'too old' },
      ],
      searched: [],
      onnxruntime: { version: '1.30.0' },
      lacks: [],
    };
    const text = doctorText(report);
    expect(text).toMatch(
      /^GPU 0 +NVIDIA H200, compute capability 9\.0 \(at least 7\.0\), 141\.0 GiB$/m,
    );
    expect(text).toMatch(/^TensorRT +tensorrt10 10\.15\.1 \/l\.so\n +\/old\.so \(too old\)$/m);
    expect(text).toContain('speaks CUDA 13.0');
    expect(text).toMatch(/The pool is small\.\n\nNothing is missing\.$/);
    const bare = doctorText({ ...report, devices: [], libraries: [] });
    expect(bare).toMatch(/^GPU +none$/m);
    expect(bare).toMatch(/^TensorRT +none found; looked in no folder$/m);
  });
});
