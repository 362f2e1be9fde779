import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import {
  AttributeProtoSchema,
  capturedNames,
  createNode,
  createTensor,
  TensorProto_DataType as DataType,
  floatAttribute,
  GraphIndex,
  GraphProtoSchema,
  graphOf,
  intAttribute,
  intsAttribute,
  loadModel,
  stringAttribute,
  TensorProtoSchema,
  tensorAttribute,
  topologicalSort,
  ValueInfoProtoSchema,
} from '../../lib/onnx/index.js';

const value = (name: string) => create(ValueInfoProtoSchema, { name });

/** y = relu(conv(x)) + s, with an If that reads `conv` from its body. */
function sample() {
  const body = create(GraphProtoSchema, {
    node: [createNode('Identity', ['c'], ['inner']), createNode('Neg', ['inner'], ['n'])],
    output: [value('n'), value('x')],
  });
  const branch = createNode('If', ['flag'], ['i'], { name: 'if' });
  branch.attribute = [create(AttributeProtoSchema, { name: 'then_branch', g: body })];
  return create(GraphProtoSchema, {
    input: [value('x'), value('flag'), value('w')],
    output: [value('y'), value('r')],
    initializer: [
      create(TensorProtoSchema, { name: 'w' }),
      create(TensorProtoSchema, { name: 's' }),
    ],
    node: [
      createNode('Conv', ['x', 'w', ''], ['c'], { name: 'conv' }),
      createNode('Relu', ['c'], ['r'], { name: 'relu' }),
      createNode('Add', ['r', 's'], ['y'], { name: 'add' }),
      branch,
      createNode(
        'Constant',
        [],
        ['k'],
        {},
        { value: createTensor('', DataType.INT64, [1], BigInt64Array.of(5n)) },
      ),
    ],
  });
}

describe('GraphIndex', () => {
  const graph = sample();
  const index = new GraphIndex(graph);

  it('finds producers, consumers and constants', () => {
    expect(index.producer('r')?.name).toBe('relu');
    expect(index.producer('x')).toBeUndefined();
    expect(index.consumers('c').map(({ node, index: at }) => [node.name, at])).toEqual([
      ['relu', 0],
      ['if', -1],
    ]);
    expect(index.consumers('nowhere')).toEqual([]);
    expect(index.initializer('w')?.name).toBe('w');
    // A caller may feed `w`: it is an input too.
    expect(index.constant('w')).toBeUndefined();
    expect(index.constant('s')?.name).toBe('s');
    expect(index.constant('k')?.dataType).toBe(DataType.INT64);
    expect(index.constant('c')).toBeUndefined();
    expect(index.inputs.map(({ name }) => name)).toEqual(['x', 'flag']);
    expect(index.isGraphInput('w')).toBe(true);
    expect(index.isGraphOutput('r')).toBe(true);
  });

  it('knows a sole reader only when nobody else sees the tensor', () => {
    expect(index.soleConsumer('s')?.node.name).toBe('add');
    expect(index.soleConsumer('r')).toBeUndefined();
    expect(index.soleConsumer('c')).toBeUndefined();
    expect(index.soleConsumer('flag')?.node.name).toBe('if');
  });

  it('makes names that are free', () => {
    const fresh = new GraphIndex(sample());
    expect(fresh.uniqueName('z')).toBe('z');
    expect(fresh.uniqueName('z')).toBe('z_1');
    expect(fresh.uniqueName('conv')).toBe('conv_1');
    expect(fresh.uniqueName('w')).toBe('w_1');
  });

  it('lists what bodies capture, through nested ones', () => {
    expect([...capturedNames(graph.node[3]!)].sort()).toEqual(['c', 'x']);
    const outer = createNode('Loop', [], ['o']);
    outer.attribute = [
      create(AttributeProtoSchema, {
        graphs: [create(GraphProtoSchema, { node: [graph.node[3]!] })],
      }),
    ];
    expect([...capturedNames(outer)].sort()).toEqual(['c', 'flag', 'x']);
  });
});

describe('attributes', () => {
  const node = createNode(
    'Pad',
    [],
    ['o'],
    {},
    {
      axis: -2,
      axes: [1, 2],
      mode: 'reflect',
      value: { float: 0.5 },
      t: createTensor('t', DataType.INT8, [1], Int8Array.of(1)),
    },
  );

  it('come back as they were made', () => {
    expect(intAttribute(node, 'axis', 0)).toBe(-2);
    expect(intAttribute(node, 'none', 9)).toBe(9);
    expect(intsAttribute(node, 'axes')).toEqual([1, 2]);
    expect(intsAttribute(node, 'none')).toBeUndefined();
    expect(stringAttribute(node, 'mode', '')).toBe('reflect');
    expect(stringAttribute(node, 'none', 'constant')).toBe('constant');
    expect(floatAttribute(node, 'value', 0)).toBe(0.5);
    expect(floatAttribute(node, 'none', 2)).toBe(2);
    expect(tensorAttribute(node, 't')?.name).toBe('t');
    expect(tensorAttribute(node, 'none')).toBeUndefined();
  });
});

describe('topologicalSort', () => {
  it('leaves a sorted graph as it is', async () => {
    const graph = graphOf(await loadModel('examples/digits/model.onnx'));
    expect(topologicalSort(graph)).toEqual(graph.node);
  });

  it('puts producers first, bodies included', () => {
    const graph = sample();
    graph.node = [graph.node[3]!, graph.node[2]!, graph.node[1]!, graph.node[0]!];
    expect(topologicalSort(graph).map(({ name }) => name)).toEqual(['conv', 'if', 'relu', 'add']);
  });

  it('sorts many shuffled nodes', () => {
    const chain = Array.from({ length: 500 }, (_, i) =>
      createNode('Relu', [`t${i}`], [`t${i + 1}`]),
    );
    const shuffled = chain.map((_, i) => chain[(i * 233) % 500]!);
    expect(topologicalSort(create(GraphProtoSchema, { node: shuffled }))).toEqual(chain);
  });

  it('names the nodes of a cycle', () => {
    const node = [
      createNode('Add', ['x', 'b'], ['a'], { name: 'first' }),
      createNode('Relu', ['a'], ['b'], { name: 'second' }),
    ];
    expect(() => topologicalSort(create(GraphProtoSchema, { node }))).toThrow(
      expect.objectContaining({
        code: 'MODEL_INVALID',
        message: 'Nodes read each other in a cycle: "first" (Add), "second" (Relu)',
      }),
    );
  });
});
