import { Command } from 'commander';
import { calibrationSource, DEFAULT_FRACTION, imageSource } from '../../tasks/index.js';
import { action, type Context } from '../context.js';
import type { CliIo } from '../io.js';
import { examples, type ImageFlags, imagesOf, sampleOptions } from '../options.js';
import { datasetDownloadCommand } from './dataset-download.js';

type Flags = Omit<ImageFlags, 'images'>;

function printPaths(context: Context, folder: string, paths: string[], available: number): void {
  // One write: a hundred thousand lines one by one are slow on a pipe.
  context.line(paths.join('\n'));
  context.result({ folder, paths, count: paths.length, available });
}

async function listAction(context: Context, flags: Flags, folder: string): Promise<void> {
  const source = await imageSource(imagesOf({ ...flags, images: folder }), context.call);
  printPaths(context, folder, source.paths, source.available);
}

async function sampleAction(context: Context, flags: Flags, folder: string): Promise<void> {
  const source = await calibrationSource(imagesOf({ ...flags, images: folder }), context.call);
  printPaths(context, folder, source.paths, source.available);
}

function listCommand(io: CliIo): Command {
  return examples(
    new Command('list')
      .description('Print the images of a folder, in the order that sampling starts from.')
      .argument('<dir>', 'folder, searched at any depth')
      .option('--extensions <list>', 'extensions that count as images, such as png,jpg')
      .action(action<[string], Flags>(io, listAction)),
    ['dataset list photos', 'dataset list photos --extensions png --json'],
  );
}

function sampleCommand(io: CliIo): Command {
  const command = new Command('sample')
    .description(
      'Print the images that calibration would take, in its order: those of Python’s ' +
        'random.seed(s); random.shuffle(paths); random.sample(paths, int(n * fraction)).',
    )
    .argument('<dir>', 'folder, searched at any depth')
    .option('--files <list>', 'file with one path a line, in place of the listing of the folder')
    .option('--extensions <list>', 'extensions that count as images, such as png,jpg');
  sampleOptions(command, `default: ${DEFAULT_FRACTION}, or all of --files`);
  command.action(action<[string], Flags>(io, sampleAction));
  return examples(command, [
    'dataset sample photos --fraction 0.05 --seed 1234 > subset.txt',
    'dataset sample photos --count 500 --stratified',
  ]);
}

/** `dataset download URL | list DIR | sample DIR`. */
export function datasetCommand(io: CliIo): Command {
  return new Command('dataset')
    .summary('fetch, list and sample image folders')
    .description('Fetch, list and sample image folders.')
    .addCommand(datasetDownloadCommand(io))
    .addCommand(listCommand(io))
    .addCommand(sampleCommand(io));
}
