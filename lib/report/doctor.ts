import type { DoctorReport } from '../runtime/index.js';
import { textTable } from './text-table.js';
import { formatBytes } from './units.js';

function devices(report: DoctorReport): string[][] {
  if (report.devices.length === 0) return [['GPU', 'none']];
  return report.devices.map((device) => [
    `GPU ${device.index}`,
    `${device.name}, compute capability ${device.computeCapability} ` +
      `(${device.supported ? 'at least' : 'BELOW'} 7.0), ${formatBytes(device.memoryBytes)}`,
  ]);
}

function libraries(report: DoctorReport): string[][] {
  if (report.libraries.length === 0) {
    const folders = report.searched.map(({ folder }) => folder).join(', ');
    return [['TensorRT', `none found; looked in ${folders || 'no folder'}`]];
  }
  return report.libraries.map(({ family, version, inferLibrary, problem }, index) => [
    index === 0 ? 'TensorRT' : '',
    [family ?? '', version ?? '', `${inferLibrary}${problem === undefined ? '' : ` (${problem})`}`]
      .filter((part) => part !== '')
      .join(' '),
  ]);
}

/** What `doctor` prints: what is there, then what is missing and what that rules out. */
export function doctorText(report: DoctorReport): string {
  const { node, threadPool, driver, modules, onnxruntime, lacks } = report;
  const table = textTable([
    ['Node.js', `${node.version}, ${node.platform} ${node.arch}`],
    ['Thread pool', `${threadPool.size} threads`],
    [
      'NVIDIA driver',
      driver.cudaVersion === undefined
        ? (driver.problem ?? 'none')
        : `there, speaks CUDA ${driver.cudaVersion}`,
    ],
    ...devices(report),
    ...libraries(report),
    ...modules.map(({ name, path, problem }, index) => [
      index === 0 ? 'Modules' : '',
      `${name}: ${problem ?? path ?? 'there'}`,
    ]),
    ['onnxruntime-node', onnxruntime.version ?? onnxruntime.problem ?? 'none'],
  ]);
  const warning = threadPool.warning === undefined ? '' : `\n\n${threadPool.warning}`;
  if (lacks.length === 0) return `${table}${warning}\n\nNothing is missing.`;
  const list = lacks.map(
    ({ lacks: what, rulesOut, remedy }) =>
      `  No ${what}\n    rules out: ${rulesOut}\n    ${remedy}`,
  );
  return `${table}${warning}\n\nMissing\n${list.join('\n')}`;
}
