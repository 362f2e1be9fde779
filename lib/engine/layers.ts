/** A tensor of a built engine, as the builder reports it. */
export interface EngineTensor {
  /** Name within the engine. */
  name: string;
  /** Extents; -1 where dynamic. */
  shape: number[];
  /** Element type in the builder's words: `Float`, `Half`, `Int8`, … */
  type: string;
  /** Memory format in the builder's words. */
  format: string;
}

/** A layer of a built engine: what really runs, after fusion. */
export interface EngineLayer {
  /** Name within the engine. */
  name: string;
  /** The builder's type: `correlation`, `kgen`, … */
  type: string;
  /** Names of the ONNX nodes that went into it. */
  onnxNodes: string[];
  /** Inputs. */
  inputs: EngineTensor[];
  /** Outputs. */
  outputs: EngineTensor[];
  /** The kernel that was chosen, where the builder says so. */
  tactic: string;
}

/**
 * The value after `Key: ` at the top level of a report's line. Values are bracketed lists or run to
 * the next key; names hold any characters but never `, Key: `.
 */
function fieldOf(line: string, key: string, next: readonly string[]): string {
  const start = line.indexOf(`${key}: `);
  if (start < 0) return '';
  const from = start + key.length + 2;
  const ends = next
    .map((name) => line.indexOf(`, ${name}: `, from))
    .filter((position) => position >= 0);
  return line.slice(from, ends.length === 0 ? line.length : Math.min(...ends)).trim();
}

function tensorsOf(list: string): EngineTensor[] {
  return list
    .split('{ Name: ')
    .slice(1)
    .map((text) => {
      const line = `Name: ${text}`;
      const dimensions = /Dimensions: \[([-\d,]*)\]/.exec(line)?.[1] ?? '';
      // RTX says "Datatype: Float, Format: …"; the others "Format/Datatype: …" in one.
      const combined = /Format\/Datatype: ([^}]*?) *\}/.exec(line)?.[1];
      return {
        name: fieldOf(line, 'Name', ['Dimensions', 'Location']),
        shape: dimensions === '' ? [] : dimensions.split(',').map(Number),
        type: /Datatype: (\w+), Format/.exec(line)?.[1] ?? combined?.split(' ').at(-1) ?? '',
        format: /Format: ([^}]*?) *\}/.exec(line)?.[1] ?? combined ?? '',
      };
    });
}

/** Order of the fields in a line of the report; versions leave some out. */
const FIELDS = [
  'Name',
  'LayerType',
  'Inputs',
  'Constants',
  'Outputs',
  'ParameterType',
  'TacticName',
  'StreamId',
  'Metadata',
];

/**
 * Reads the builder's verbose report ("Layers:", one line each), which profiling verbosity `detailed`
 * makes it print. Needs no GPU.
 *
 * @param report The builder's text; the empty text gives no layers.
 */
export function parseLayerReport(report: string): EngineLayer[] {
  return report
    .split('\n')
    .filter((line) => /^(Layer\(.*\): )?Name: .*LayerType: /.test(line))
    .map((line) => {
      const field = (key: string): string =>
        fieldOf(line, key, FIELDS.slice(FIELDS.indexOf(key) + 1));
      const nodes = field('Metadata').matchAll(/\[ONNX Layer: ([^\]]*)\]/g);
      return {
        name: field('Name'),
        type: field('LayerType'),
        onnxNodes: [...nodes].map((match) => match[1]!),
        inputs: tensorsOf(field('Inputs')),
        outputs: tensorsOf(field('Outputs')),
        tactic: field('TacticName'),
      };
    });
}

/**
 * How many layers of an engine put out each element type: `{ Float: 12, Int8: 7 }`.
 *
 * @param layers What {@link parseLayerReport} gave.
 */
export function countOutputTypes(layers: readonly EngineLayer[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { outputs } of layers) {
    const type = outputs[0]?.type;
    if (type !== undefined && type !== '') counts[type] = (counts[type] ?? 0) + 1;
  }
  return counts;
}
