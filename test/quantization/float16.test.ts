import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import {
  AttributeProtoSchema,
  AttributeProto_AttributeType as AttributeType,
  createNode,
  createTensor,
  TensorProto_DataType as DataType,
  elementTypes,
  GraphProtoSchema,
  graphOf,
  loadModel,
  ValueInfoProtoSchema,
} from '../../lib/onnx/index.js';
import { convertToFloat16 } from '../../lib/quantization/index.js';
import { GraphBuilder } from '../support/graph-builder.js';
import { meanCosine, outputs, randomInput } from '../support/onnxruntime.js';
import { around, convert, DIMS, inputs, ops, reasons } from './float16-helpers.js';

describe('convertToFloat16', () => {
  it('makes weights and activations half, behind one Cast at the input and one at the output', async () => {
    const model = around((b, x) => b.relu(x, 'act'));
    const { half, report } = await convert(model);
    expect(ops(half)).toEqual(['Cast', 'Conv', 'Relu', 'Conv', 'Cast']);
    expect(report).toMatchObject({ io: 'float32', half: 3, kept: [], weights: 4, casts: 2 });
    const graph = graphOf(half);
    expect(new Set(graph.initializer.map(({ dataType }) => dataType))).toEqual(
      new Set([DataType.FLOAT16]),
    );
    expect(graph.input).toEqual(graphOf(model).input);
    expect(graph.output).toEqual(graphOf(model).output);
    // Nothing needs a newer operator set.
    expect(half.proto.opsetImport).toEqual(model.proto.opsetImport);
  });

  it('takes half-precision inputs and outputs on request', async () => {
    const model = around((b, x) => b.relu(x, 'act'));
    const { half, report } = await convert(model, { keepIo: false });
    expect(ops(half)).toEqual(['Conv', 'Relu', 'Conv']);
    expect(report).toMatchObject({ io: 'float16', casts: 0 });
    const [input] = graphOf(half).input;
    expect(input!.type!.value).toMatchObject({ value: { elemType: DataType.FLOAT16 } });
    const halves = [1, 2].map((seed) => randomInput(seed, [1, 3, 8, 8], true));
    const result = await outputs(half, halves);
    expect(meanCosine(await outputs(model, inputs), result)).toBeGreaterThan(0.9999);
  });

  it('updates what the file says about tensors inside', async () => {
    const model = around((b, x) => b.relu(x, 'act'));
    const [output] = graphOf(model).output;
    const info = { ...output!, name: '/act/Relu_output_0' };
    graphOf(model).valueInfo.push(create(ValueInfoProtoSchema, info));
    const { half } = await convert(model);
    const [inner] = graphOf(half).valueInfo;
    expect(inner!.type!.value).toMatchObject({ value: { elemType: DataType.FLOAT16 } });
    expect(graphOf(model).valueInfo[0]!.type!.value).toMatchObject({ value: { elemType: 1 } });
  });

  it('leaves a half-precision model as it is', () => {
    const model = around((b, x) => b.relu(x, 'act'), { half: true });
    const result = convertToFloat16(model);
    expect(result.model).toBe(model);
    expect(result.report.alreadyHalf).toBe(true);
  });

  it('keeps what options name, with one Cast on each side', async () => {
    const model = around((b, x) => b.op('Softmax', [b.relu(x, 'act')], 'soft', { axis: 1 }));
    for (const options of [
      { exclude: ['/soft/Softmax'] },
      { exclude: [/^\/soft/] },
      { excludeTypes: ['Softmax'] },
    ]) {
      const { half, report } = await convert(model, options);
      expect(reasons(report)).toEqual({ '/soft/Softmax': 'EXCLUDED' });
      expect(ops(half)).toEqual([
        ...['Cast', 'Conv', 'Relu', 'Cast', 'Softmax', 'Cast', 'Conv', 'Cast'],
      ]);
    }
    expect(() => convertToFloat16(model, { exclude: ['nothing'] })).toThrow(RangeError);
    expect(() => convertToFloat16(model, { keepIo: 1 as never })).toThrow(
      'Expected true or false for keepIo but received 1 of type number',
    );
  });

  it('shares Casts, and leaves a chain of float32 operators alone', async () => {
    const model = around((b, x) => {
      const two = b.weight('two', [], [2]);
      const y = b.op('Pow', [x, two], 'square');
      const mean = b.op('ReduceMean', [y], 'mean', { axes: [1], keepdims: 1 });
      const shifted = b.op('Add', [mean, b.weight('eps', [], [1e-6])], 'eps');
      return b.op('Div', [x, b.op('Sqrt', [shifted], 'root')], 'norm');
    });
    const { half, report } = await convert(model);
    expect(reasons(report)).toEqual({
      '/square/Pow': 'PRECISION',
      '/mean/ReduceMean': 'PRECISION',
      '/eps/Add': 'RANGE',
      '/root/Sqrt': 'NEIGHBOUR',
    });
    expect(ops(half)).toEqual([
      ...[
        'Cast',
        'Conv',
        'Cast',
        'Pow',
        'ReduceMean',
        'Add',
        'Sqrt',
        'Cast',
        'Div',
        'Conv',
        'Cast',
      ],
    ]);
  });

  it('does not keep a mean over the image, which is a pool', async () => {
    const model = around((b, x) => {
      const pool = b.op('ReduceMean', [x], 'pool', { axes: [2, 3], keepdims: 1 });
      return b.op('Mul', [x, b.op('Sigmoid', [pool], 'gate')], 'scale');
    });
    expect((await convert(model)).report.kept).toEqual([]);
  });

  it('keeps a variance that is written as a product', async () => {
    const model = around((b, x) => {
      const mean = b.op('ReduceMean', [x], 'mean', { axes: [2, 3], keepdims: 1 });
      const d = b.op('Sub', [x, mean], 'centred');
      const variance = b.op('ReduceMean', [b.op('Mul', [d, d], 'square')], 'variance', {
        axes: [2, 3],
        keepdims: 1,
      });
      const shifted = b.op('Add', [variance, b.weight('eps', [], [1e-5])], 'eps');
      return b.op('Div', [d, b.op('Sqrt', [shifted], 'root')], 'norm');
    });
    const { report } = await convert(model, {}, 0.999);
    expect(reasons(report)).toMatchObject({
      '/square/Mul': 'PRECISION',
      '/variance/ReduceMean': 'PRECISION',
      '/root/Sqrt': 'NEIGHBOUR',
    });
  });
});

describe('operators with types of their own', () => {
  it('keeps the scales of Resize in float32', async () => {
    const b = new GraphBuilder();
    const x = b.conv('input', 'first', 3, 8, 3);
    const scales = b.weight('scales', [4], [1, 1, 2, 2]);
    b.conv(b.op('Resize', [x, '', scales], 'resize', { mode: 'nearest' }), 'last', 8, 4, 3);
    const { half, report } = await convert(b.finish(DIMS, ['n', 4, 16, 16]));
    expect(report.kept).toEqual([]);
    const tensor = graphOf(half).initializer.find(({ name }) => name === 'scales')!;
    expect(tensor.dataType).toBe(DataType.FLOAT);
  });

  it('shares a weight that is needed in both types', async () => {
    const model = around((b, x) => {
      const shared = b.weight('shared', [1], [0.3]);
      const y = b.op('Add', [b.relu(x, 'act'), shared], 'half');
      return b.op('Pow', [b.op('Abs', [y], 'abs'), shared], 'power');
    });
    const { half } = await convert(model);
    const types = graphOf(half).initializer.map(({ name, dataType }) => [name, dataType]);
    expect(types).toContainEqual(['shared', DataType.FLOAT]);
    expect(types).toContainEqual(['shared_float16', DataType.FLOAT16]);
  });

  it('keeps the arithmetic of shapes in float32, and turns masks into half at once', async () => {
    const b = new GraphBuilder();
    let x = b.conv('input', 'first', 3, 8, 3);
    const shape = b.op('Shape', [x], 'shape');
    const float = b.op('Cast', [shape], 'float', { to: DataType.FLOAT });
    const one = b.op('Mul', [float, b.weight('one', [], [1])], 'scaled');
    const sizes = b.op('Cast', [b.op('Floor', [one], 'floor')], 'sizes', { to: DataType.INT64 });
    x = b.op('Reshape', [x, sizes], 'same');
    const mask = b.op('Greater', [x, b.weight('zero', [], [0])], 'mask');
    x = b.op('Mul', [x, b.op('Cast', [mask], 'keep', { to: DataType.FLOAT })], 'masked');
    b.conv(x, 'last', 8, 4, 3);
    const { half, report } = await convert(b.finish(DIMS, ['n', 4, 8, 8]));
    expect(reasons(report)).toEqual({
      '/float/Cast': 'INTEGER',
      '/scaled/Mul': 'NEIGHBOUR',
      '/floor/Floor': 'NEIGHBOUR',
    });
    expect(ops(half).filter((op) => op === 'Cast')).toHaveLength(5);
    const types = elementTypes(graphOf(half));
    expect(types.get('/keep/Cast_output_0')).toBe(DataType.FLOAT16);
    expect(types.get('/mask/Greater_output_0')).toBe(DataType.BOOL);
  });

  it('changes Constant and ConstantOfShape', async () => {
    const model = around((b, x) => {
      const value = createTensor('', DataType.FLOAT, [1], Float32Array.of(0.5));
      const filled = (path: string, attributes: Record<string, typeof value>) =>
        b.op('ConstantOfShape', [b.op('Shape', [x], `${path}_shape`)], path, attributes);
      const node = createNode('Constant', [], ['two'], { name: 'two' });
      node.attribute = [
        create(AttributeProtoSchema, { name: 'value_float', type: AttributeType.FLOAT, f: 2 }),
      ];
      b.nodes.push(node);
      const y = b.op('Add', [x, filled('halves', { value })], 'add');
      return b.op('Mul', [b.op('Add', [y, filled('zeros', {})], 'add0'), 'two'], 'mul');
    });
    const { half, report } = await convert(model);
    expect(report.kept).toEqual([]);
    expect(ops(half)).not.toContain('Constant');
    expect(ops(half).filter((op) => op === 'Cast')).toHaveLength(2);
  });

  it('drops Casts of the model that have nothing left to do', async () => {
    const model = around((b, x) => {
      const y = b.op('Cast', [b.relu(x, 'act')], 'down', { to: DataType.FLOAT16 });
      return b.op('Cast', [y], 'up', { to: DataType.FLOAT });
    });
    const { half, report } = await convert(model);
    expect(ops(half)).toEqual(['Cast', 'Conv', 'Relu', 'Conv', 'Cast']);
    expect(report.droppedCasts).toBe(2);
  });

  it('leaves operators that it does not know, and that ONNX has in float32 only', async () => {
    const model = around((b, x) => {
      const y = b.op('Celu', [x], 'celu', { alpha: { float: 1 } });
      b.nodes.push(createNode('Strange', [y], ['odd'], { name: 'odd', domain: 'my.domain' }));
      return b.relu('odd', 'act');
    });
    const { model: half, report } = convertToFloat16(model);
    expect(reasons(report)).toEqual({
      '/celu/Celu': 'OPERATOR',
      odd: 'UNKNOWN',
      '/act/Relu': 'UNKNOWN',
      '/last/Conv': 'UNKNOWN',
    });
    expect(ops(half)).toEqual(['Cast', 'Conv', 'Cast', 'Celu', 'Strange', 'Relu', 'Conv']);
  });

  it('leaves the body of an If as it is, and gives it what it reads in float32', async () => {
    const output = (name: string) => create(ValueInfoProtoSchema, { name });
    const model = around((b, x) => {
      const body = (opType: string, result: string) =>
        create(GraphProtoSchema, {
          name: result,
          node: [createNode(opType, [x], [result], { name: result })],
          output: [output(result)],
        });
      b.initializers.push(createTensor('yes', DataType.BOOL, [], Uint8Array.of(1)));
      const node = createNode('If', ['yes'], ['chosen'], { name: 'choice' });
      const attribute = (name: string, g: ReturnType<typeof body>) =>
        create(AttributeProtoSchema, { name, type: AttributeType.GRAPH, g });
      node.attribute = [
        attribute('then_branch', body('Abs', 'then_result')),
        attribute('else_branch', body('Neg', 'else_result')),
      ];
      b.nodes.push(node);
      return b.op('Identity', ['chosen'], 'out');
    });
    const { half, report } = await convert(model);
    expect(reasons(report)).toMatchObject({ choice: 'SUBGRAPH', '/out/Identity': 'UNKNOWN' });
    expect(ops(half).slice(0, 4)).toEqual(['Cast', 'Conv', 'Cast', 'If']);
    expect(graphOf(half).node[1]!.output).toEqual(['/first/Conv_output_0_float16']);
  });
});

describe('a quantized model', () => {
  it('gets float16 scales, and keeps its int32 biases in float32', async () => {
    const model = await loadModel('test/fixtures/ort-calibration/qdq_s8s8_sym_minmax.onnx');
    const { model: half, report } = convertToFloat16(model);
    expect(half.proto.opsetImport[0]!.version).toBe(19n);
    const biases = report.kept.filter(({ opType }) => opType === 'DequantizeLinear');
    expect(new Set(report.kept.map(({ reason }) => reason))).toEqual(new Set(['RANGE']));
    expect(biases.length).toBe(8);
    const types = elementTypes(graphOf(half));
    for (const { opType, input } of graphOf(half).node) {
      if (opType === 'Conv') expect(input.map((name) => types.get(name))).toEqual([10, 10, 10]);
    }
    const images = [1, 2].map((seed) => randomInput(seed, [1, 3, 32, 32]));
    const exact = await outputs(model, images, { graphOptimizationLevel: 'disabled' });
    expect(meanCosine(exact, await outputs(half, images))).toBeGreaterThan(0.999);
  });
});

describe('outputs', () => {
  it('that other nodes read, or that are inputs, keep their names and types', async () => {
    const b = new GraphBuilder();
    const x = b.relu(b.conv('input', 'first', 3, 8, 3), 'act');
    b.conv(x, 'last', 8, 4, 3);
    const model = b.finish(DIMS, ['n', 4, 8, 8]);
    const [output] = graphOf(model).output;
    graphOf(model).output.push({ ...output!, name: x }, { ...output!, name: 'input' });
    const { half } = await convert(model);
    expect(ops(half)).toEqual(['Cast', 'Conv', 'Relu', 'Cast', 'Conv', 'Cast']);
    const again = convertToFloat16(model, { keepIo: false });
    expect(ops(again.model)).toEqual(['Conv', 'Relu', 'Conv']);
    expect(graphOf(again.model).output.map(({ type }) => type!.value)).toMatchObject(
      [1, 2, 3].map(() => ({ value: { elemType: DataType.FLOAT16 } })),
    );
  });
});
