import type { CalibrationMeta, TableInspection, TensorInspection } from '../calibration/index.js';
import type { EngineInspection } from '../engine/index.js';
import type { ModelDescription } from '../onnx/index.js';
import { sparkline } from './tables.js';
import { textTable } from './text-table.js';
import { formatBytes, formatCount, formatNumber } from './units.js';

interface Value {
  name: string;
  type: string;
  shape?: readonly (number | string)[];
}

function valueRows(kind: string, values: readonly Value[]): string[][] {
  return values.map(({ name, type, shape }, index) => [
    index === 0 ? kind : '',
    `${name}: ${type}${shape === undefined ? '' : ` [${shape.join(', ')}]`}`,
  ]);
}

function counts(record: Readonly<Record<string, number>>): string {
  return Object.entries(record)
    .map(([name, count]) => `${count} ${name}`)
    .join(', ');
}

/** What `inspect` prints of an ONNX model. */
export function modelText(path: string, model: ModelDescription): string {
  const opsets = Object.entries(model.opsets).map(([domain, version]) => `${domain} ${version}`);
  return textTable([
    ['ONNX model', path],
    ['SHA-256', model.sha256],
    ['Format', `IR version ${model.irVersion}, operator sets ${opsets.join(', ')}`],
    ...(model.producer === '' ? [] : [['Made by', model.producer]]),
    ...valueRows('Inputs', model.inputs),
    ...valueRows('Outputs', model.outputs),
    ['Operators', counts(model.operators)],
    [
      'Weights',
      `${model.parameters.toLocaleString('en-US')}${model.externalData ? ', in files of their own' : ''}`,
    ],
    ['Quantized', model.quantized ? 'yes' : 'no'],
  ]);
}

function provenance(meta: CalibrationMeta | undefined): string[][] {
  if (meta === undefined) return [];
  const rows: string[][] = [];
  const { model, sample, versions, created } = meta;
  const options = Object.entries(meta.method?.options ?? {});
  if (options.length > 0) {
    rows.push(['Options', options.map(([name, value]) => `${name} ${value}`).join(', ')]);
  }
  if (meta.shard !== undefined) rows.push(['Shard', `${meta.shard.index}/${meta.shard.count}`]);
  if (model !== undefined) {
    rows.push(['Made for', `${model.file ?? 'a model'}, SHA-256 ${model.sha256}`]);
  }
  if (sample !== undefined) {
    const seed = sample.seed === undefined ? '' : `, seed ${sample.seed}`;
    rows.push(['Sample', `${formatCount(sample.images, 'image')}${seed}`]);
  }
  if (meta.recipe !== undefined) rows.push(['Recipe', JSON.stringify(meta.recipe)]);
  if (versions !== undefined) {
    const list = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
    rows.push(['Computed by', list.join(', ')]);
  }
  if (created !== undefined) rows.push(['Created', created]);
  return rows;
}

function histogramCells(histogram: TensorInspection['histogram']): string[] {
  if (histogram === undefined) return ['', '', ''];
  const { lowest, highest, counts } = histogram;
  return [formatNumber(lowest, 4), `│${sparkline(counts)}│`, formatNumber(highest, 4)];
}

/** What `inspect` prints of a calibration table. */
export function tableText(
  path: string,
  format: string,
  table: TableInspection,
  meta: CalibrationMeta | undefined,
): string {
  const head = textTable([
    ['Calibration table', path],
    ['Format', format + (table.nativeHeader === undefined ? '' : `, ${table.nativeHeader}`)],
    ['Method', table.method ?? 'not said'],
    ['Tensors', String(table.tensors.length)],
    ...provenance(meta),
  ]);
  const drawn = table.tensors.some(({ histogram }) => histogram !== undefined);
  const rows = table.tensors.map((tensor) => {
    const { name, lowest, highest, amax, boundsKnown, histogram, findings } = tensor;
    return [
      name === '' ? '""' : name,
      boundsKnown ? formatNumber(lowest, 6) : '',
      boundsKnown ? formatNumber(highest, 6) : '',
      formatNumber(amax, 6),
      ...(drawn ? histogramCells(histogram) : []),
      findings.join(', '),
    ];
  });
  const ranges = textTable(
    rows,
    ['left', 'right', 'right', 'right', ...(drawn ? (['right', 'left', 'right'] as const) : [])],
    [
      ...['Tensor', 'Lowest', 'Highest', 'amax'],
      ...(drawn ? ['from', 'log histogram', 'to'] : []),
      'Suspicious',
    ],
  );
  return `${head}\n\n${ranges}`;
}

/** What `inspect` prints of an engine. */
export function engineText(engine: EngineInspection): string {
  const { header, manifest } = engine;
  const rows = [
    ['TensorRT engine', engine.path],
    ['Size', formatBytes(engine.bytes)],
    ['SHA-256', engine.sha256],
    ['Kind', `${header.kind}${header.version === undefined ? '' : ` ${header.version}`}`],
  ];
  if (manifest === undefined) {
    rows.push(['Manifest', 'none beside it: what else it holds only a GPU can tell']);
    return textTable(rows);
  }
  const { library, computeCapabilities, model, inputs, outputs, layerTypes, recipe } = manifest;
  rows.push(
    ['Built by', `${library.family} ${library.version}`],
    ['Built for', computeCapabilities?.join(', ') ?? 'the GPU of the machine, or any'],
    ['Model', `${model.file ?? 'bytes'}, SHA-256 ${model.sha256}`],
    ...valueRows('Inputs', inputs),
    ...valueRows('Outputs', outputs),
    ['Layer outputs', counts(layerTypes) || 'not known'],
    ...(recipe === undefined ? [] : [['Recipe', JSON.stringify(recipe)]]),
    ['Created', manifest.created],
  );
  return textTable(rows);
}
