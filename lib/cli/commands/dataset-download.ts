import { basename, extname } from 'node:path';
import { Command } from 'commander';
import { downloadDataset, isUrl } from '../../dataset/index.js';
import { defined } from '../../defined.js';
import { formatBytes, formatCount } from '../../report/index.js';
import { action, type Context } from '../context.js';
import type { CliIo } from '../io.js';
import { examples } from '../options.js';
import { wrongValue } from '../usage.js';
import { integerValue } from '../values.js';

interface Flags {
  out?: string;
  sha256?: string;
  deleteArchive?: boolean;
  archives?: string;
  maxBytes?: number;
}

function digest(text: string): string {
  if (/^[0-9a-f]{64}$/i.test(text)) return text.toLowerCase();
  throw wrongValue('--sha256', '64 hexadecimal digits', text);
}

/** `https://example.org/sets/flowers.zip?x=1` → `flowers`, in the working folder. */
function folderOf(url: string): string {
  const name = basename(decodeURIComponent(new URL(url).pathname));
  const stem = basename(name, extname(name));
  return stem === '' || stem.startsWith('.') ? 'dataset' : stem;
}

async function downloadAction(context: Context, flags: Flags, url: string): Promise<void> {
  if (!isUrl(url) || !URL.canParse(url)) {
    throw wrongValue('URL', 'an http or https address', url);
  }
  const folder = flags.out ?? folderOf(url);
  const result = await downloadDataset(url, {
    ...context.call,
    folder,
    ...defined({
      sha256: flags.sha256,
      deleteArchive: flags.deleteArchive,
      archivesFolder: flags.archives,
      maxBytes: flags.maxBytes,
    }),
  });
  const what = `${formatCount(result.files, 'file')}, ${formatBytes(result.bytes)}`;
  context.line(`${result.folder}: ${what}${result.downloaded ? '' : ', there already'}`);
  if (result.archive !== undefined) context.line(`Archive kept: ${result.archive}`);
  context.result({ ...result });
}

/** `dataset download URL`. */
export function datasetDownloadCommand(io: CliIo): Command {
  return examples(
    new Command('download')
      .summary('fetch a zip archive of images and extract it')
      .description(
        'Fetch a zip archive of images and extract it. An interrupted download goes on where it ' +
          'stopped; nothing is done when the dataset is there.',
      )
      .argument('<url>', 'http(s) address of a zip archive')
      .option('--out <dir>', 'folder for the files (default: the name of the archive)')
      .option('--sha256 <hex>', 'SHA-256 that the archive must have', digest)
      .option('--archives <dir>', 'where archives are kept (default: archives, beside the folder)')
      .option('--delete-archive', 'remove the archive when it is extracted')
      .option(
        '--max-bytes <n>',
        'largest size of the archive, and of its files together (default: 200 GiB)',
        integerValue('--max-bytes', 1),
      )
      .action(action<[string], Flags>(io, downloadAction)),
    [
      'dataset download https://example.org/flowers.zip --out flowers',
      'dataset download https://example.org/flowers.zip --sha256 <64 digits> --delete-archive',
    ],
  );
}
