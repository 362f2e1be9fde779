import { Command } from 'commander';
import { doctorText } from '../../report/index.js';
import { doctor } from '../../runtime/index.js';
import { action, type Context } from '../context.js';
import type { CliIo } from '../io.js';
import { examples } from '../options.js';

async function doctorAction(context: Context, flags: { libraryDir?: string }): Promise<void> {
  const report = await doctor(flags);
  context.line(doctorText(report));
  context.result({ ...report });
}

/** `doctor`. */
export function doctorCommand(io: CliIo): Command {
  return examples(
    new Command('doctor')
      .summary('say what this machine has, and what each lack rules out')
      .description(
        'Say what this machine has for TensorRT (driver, GPUs, libraries, modules), and what each ' +
          'lack rules out.',
      )
      .option('--library-dir <dir>', 'folder of the TensorRT libraries, looked into first')
      .action(action<[], { libraryDir?: string }>(io, doctorAction)),
    ['doctor', 'doctor --json'],
  );
}
