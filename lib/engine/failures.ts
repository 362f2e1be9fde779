import { defined } from '../defined.js';
import { isErrorCode, TensorRTError } from '../errors.js';
import type { LogLine, NativeOutcome, ParserError } from '../runtime/index.js';

/** Something the library warned about. */
export interface BuildWarning {
  /** The library's words. */
  text: string;
  /** What it means, when it is known to be harmless. */
  explanation?: string;
}

const EXPLANATIONS: readonly [RegExp, string][] = [
  [/Calibrator is not being used/i, 'As it should be: the ranges come from a calibration table.'],
  [
    /Missing scale and zero-point for tensor/i,
    'The tensor has no range and stays in floating point; ranges.missing lists all such tensors.',
  ],
  [
    /INT64 weights.*(cast down|INT32)/is,
    'Harmless: ONNX keeps shapes and indices as 64-bit integers, which this TensorRT holds in 32 bits.',
  ],
  [
    /weights outside the range of INT32 was clamped/i,
    'Usually harmless: "to the end" in a Slice is the largest 64-bit integer, which 32 bits cannot hold.',
  ],
];

/**
 * The warnings of a call, each once, with an explanation where they are known to be harmless.
 *
 * @param log The library's messages.
 */
export function warningsOf(log: readonly LogLine[]): BuildWarning[] {
  const texts = new Set(log.filter(({ severity }) => severity === 'warning').map((l) => l.text));
  const explained = new Set<string>();
  const warnings: BuildWarning[] = [];
  for (const text of texts) {
    const explanation = EXPLANATIONS.find(([pattern]) => pattern.test(text))?.[1];
    if (explanation !== undefined && explained.has(explanation)) continue;
    if (explanation !== undefined) explained.add(explanation);
    warnings.push({ text, ...defined({ explanation }) });
  }
  return warnings;
}

/** How many nodes a message names before it only counts. */
const NODES_NAMED = 5;

function firstLine(text: string): string {
  return text.split('\n', 1)[0]!.trim();
}

function describeNode({ nodeName, operator, description, node }: ParserError): string {
  const name = nodeName === '' ? `node ${node}` : `"${nodeName}"`;
  // An unknown operator is looked for among the plugins last, and the message speaks of those.
  const reason = /plugin not found|no importer registered/i.test(description)
    ? 'TensorRT has no such operator'
    : reasonOf(description);
  return `${operator === '' ? '' : `${operator} `}${name}: ${reason}`;
}

/** The parser puts "Invalid Node - <name>" above the reason. */
function reasonOf(description: string): string {
  const lines = description.split('\n').filter((line) => line.trim() !== '');
  return firstLine((lines.length > 1 ? lines.slice(1) : lines).join('\n'));
}

/** The parser speaks of weight files only in its log. */
const EXTERNAL_DATA = /WeightsContext|external (data|weights)|failed to open file/i;

function parseError(label: string, outcome: NativeOutcome): TensorRTError {
  const { parserErrors, log } = outcome;
  const detail = [
    ...parserErrors.map(({ codeName, description }) => `${codeName}: ${description}`),
    ...log.map(({ text }) => text),
  ];
  const everything = detail.join('\n');
  if (EXTERNAL_DATA.test(everything)) {
    const words = detail.find((text) => EXTERNAL_DATA.test(text)) ?? '';
    return new TensorRTError(
      'MODEL_EXTERNAL_DATA',
      `The external data of ${label} cannot be read: ${firstLine(words)}`,
      { detail, remedy: 'Put the weight files where the model names them, below its own folder.' },
    );
  }
  const nodes = parserErrors.filter(({ node, nodeName }) => node >= 0 || nodeName !== '');
  if (nodes.length > 0) {
    const named = nodes.slice(0, NODES_NAMED).map(describeNode).join('; ');
    const more = nodes.length > NODES_NAMED ? `; and ${nodes.length - NODES_NAMED} more` : '';
    return new TensorRTError(
      'MODEL_UNSUPPORTED',
      `TensorRT cannot take ${nodes.length === 1 ? 'a node' : `${nodes.length} nodes`} of ${label}: ${named}${more}`,
      { detail, remedy: 'Export the model without these, or replace them by supported operators.' },
    );
  }
  const first = parserErrors[0]?.description ?? '';
  return new TensorRTError(
    'MODEL_INVALID',
    `${label} is not an ONNX model that TensorRT can read: ${firstLine(first)}`,
    { detail, remedy: 'Check that the file is a complete .onnx file; export it again.' },
  );
}

/**
 * The error for a native call that failed; undefined when it did not.
 *
 * @param label What to call the model: its path, or "the model".
 * @param outcome What the native call came to.
 */
export function failureOf(label: string, outcome: NativeOutcome): TensorRTError | undefined {
  const { failure, log } = outcome;
  if (failure === undefined) return undefined;
  if (failure.code === 'PARSE') return parseError(label, outcome);
  const code = isErrorCode(failure.code) ? failure.code : 'BUILD_FAILED';
  return new TensorRTError(code, failure.message, {
    detail: log.map(({ text }) => text),
    ...(failure.remedy === '' ? {} : { remedy: failure.remedy }),
  });
}
