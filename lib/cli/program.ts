import { readFileSync } from 'node:fs';
import { Command, type OutputConfiguration } from 'commander';
import { benchCommand } from './commands/bench.js';
import { buildCommand } from './commands/build.js';
import { cacheCommand } from './commands/cache.js';
import { calibrateCommand } from './commands/calibrate.js';
import { classifyCommand } from './commands/classify.js';
import { convertCommand } from './commands/convert.js';
import { datasetCommand } from './commands/dataset.js';
import { diffCommand } from './commands/diff.js';
import { doctorCommand } from './commands/doctor.js';
import { evaluateCommand } from './commands/evaluate.js';
import { exportCommand } from './commands/export.js';
import { inspectCommand } from './commands/inspect.js';
import { mergeCommand } from './commands/merge.js';
import { preprocessCommand } from './commands/preprocess.js';
import { quantizeCommand } from './commands/quantize.js';
import { repairCommand } from './commands/repair.js';
import { sensitivityCommand } from './commands/sensitivity.js';
import type { CliIo } from './io.js';
import { examples } from './options.js';

/** Version of this package. */
export function packageVersion(): string {
  const file = new URL('../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

const COMMANDS = [
  calibrateCommand,
  mergeCommand,
  quantizeCommand,
  buildCommand,
  benchCommand,
  classifyCommand,
  evaluateCommand,
  sensitivityCommand,
  exportCommand,
  inspectCommand,
  cacheCommand,
  preprocessCommand,
  convertCommand,
  repairCommand,
  diffCommand,
  datasetCommand,
  doctorCommand,
];

function configure(command: Command, output: OutputConfiguration): void {
  command
    .exitOverride()
    .configureOutput(output)
    .showSuggestionAfterError(false)
    .configureHelp({ showGlobalOptions: true, helpWidth: 100 });
  for (const one of command.commands) configure(one, output);
}

/**
 * The program with all of its commands.
 *
 * @param io Where commands write.
 * @param output Where commander writes help and complaints.
 */
export function createProgram(io: CliIo, output: OutputConfiguration): Command {
  const program = new Command('tensorrt-node')
    .description(
      'Quantize image classifiers to INT8 and build NVIDIA TensorRT engines.\n\n' +
        'Flags may be spelled as trtexec does: --saveEngine is --save-engine.',
    )
    .version(packageVersion(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show help')
    .helpCommand('help [command]', 'show help of a command')
    .option('--json', 'print one JSON document on stdout; progress and messages go to stderr')
    .option('--quiet', 'no progress and no warnings')
    .option('--verbose', 'show where errors come from');
  for (const make of COMMANDS) program.addCommand(make(io));
  examples(program, [
    'doctor',
    'calibrate model.onnx --images photos --out calibration',
    'quantize model.onnx --calibration calibration --out model.int8.onnx',
    'build model.int8.onnx --saveEngine=model.engine --computeCapabilities=80,89,120',
    'evaluate model.onnx --against model.int8.onnx --images photos --labels classes.json',
  ]);
  configure(program, output);
  return program;
}
