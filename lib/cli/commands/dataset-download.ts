import { Command } from 'commander';
import type { CliIo } from '../io.js';

/** `dataset download URL`. */
export function datasetDownloadCommand(_io: CliIo): Command {
  return new Command('download');
}
