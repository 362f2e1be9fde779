import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { editDistance, nearest, normalizeFlags } from '../../lib/cli/usage.js';
import { cli, cliJson } from './command-line.js';

const COMMANDS = [
  'calibrate',
  'quantize',
  'build',
  'classify',
  'evaluate',
  'merge',
  'repair',
  'diff',
  'inspect',
  'preprocess',
  'convert',
  'cache ls',
  'cache why',
  'cache prune',
  'export triton',
  'dataset download',
  'dataset list',
  'dataset sample',
  'doctor',
];

describe('help', () => {
  it.each(COMMANDS)('of %s has a description, options and examples', async (name) => {
    const { status, stdout, stderr } = await cli([...name.split(' '), '--help']);
    expect(status).toBe(0);
    expect(stderr).toBe('');
    expect(stdout).toContain(`Usage: tensorrt-node ${name}`);
    expect(stdout).toMatch(new RegExp(`Examples:\\n {2}\\$ tensorrt-node ${name}`));
    expect(stdout).toContain('--json');
    for (const line of stdout.split('\n')) {
      if (!line.startsWith('  $')) expect(line.length).toBeLessThanOrEqual(100);
    }
  });

  it('shows defaults', async () => {
    const { stdout } = await cli(['calibrate', '--help']);
    for (const text of ['288', 'default: 1234', '(default: "onnxruntime")', '(default: "exact")']) {
      expect(stdout.replace(/\s+/g, ' ')).toContain(text);
    }
  });

  it('lists every command, and is an error without one', async () => {
    const asked = await cli(['--help']);
    const nothing = await cli([]);
    expect(asked.status).toBe(0);
    expect(nothing.status).toBe(2);
    expect(nothing.stdout).toBe('');
    for (const name of COMMANDS) expect(asked.stdout).toContain(`\n  ${name.split(' ')[0]} `);
    expect(nothing.stderr).toContain('Usage: tensorrt-node');
    expect(await cli(['help', 'quantize'])).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('Usage: tensorrt-node quantize'),
    });
  });

  it('is one JSON document with --json', async () => {
    const { status, document } = await cliJson(['doctor', '--help']);
    expect(status).toBe(0);
    expect(document.help).toContain('Usage: tensorrt-node doctor');
    const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
    expect(await cliJson(['--version'])).toMatchObject({ status: 0, document: { version } });
    expect((await cli(['-V'])).stdout).toBe(`${version}\n`);
  });
});

describe('wrong usage', () => {
  it.each<[string[], string]>([
    [['calibrat'], 'Unknown command calibrat; did you mean calibrate?'],
    [['dataset', 'lst', 'x'], 'Unknown command lst; did you mean list?'],
    [['help', 'quantise'], 'Unknown command quantise; did you mean quantize?'],
    [['calibrate', 'm.onnx', '--siez', '3'], 'Unknown option --siez; did you mean --size?'],
    [['calibrate', '--imges=x'], 'Unknown option --imges; did you mean --images?'],
    [['build', '--saveEngin=x'], 'Unknown option --saveEngin; did you mean --save-engine?'],
    [['build', '--memPoolSizes=x'], 'Unknown option --memPoolSizes; did you mean --mem-pool-size?'],
    [['build', '--compute=89'], 'Unknown option --compute; did you mean --compute-capabilities?'],
    [['doctor', '--xyzzy'], 'Unknown option --xyzzy\n'],
    [['doctor', 'extra'], 'Too many arguments for tensorrt-node doctor'],
    [['inspect'], 'Missing argument FILE'],
    [['quantize', 'm.onnx', '--out', 'x'], 'Missing option --calibration <dir|file>, or --fp16'],
    [
      ['quantize', 'm.onnx', '--fp16', '--exclude-types', 'Gemm', '--out', 'x'],
      '--exclude-types chooses what stays out of int8; it needs --calibration',
    ],
    [
      ['quantize', 'm.onnx', '--calibration', 'c', '--fp16-io', '--out', 'x'],
      '--fp16-io needs --fp16',
    ],
    [['calibrate', 'm.onnx', '--images', 'x'], 'Missing option --out <dir>'],
    [['build', 'm.onnx'], 'Missing option --save-engine <file>'],
    [['build', '--saveEngine=x'], 'Missing argument MODEL'],
    [['build', 'm', '--onnx=m', '--saveEngine=x'], 'The model is given twice'],
    [['classify', 'm.onnx'], 'Missing argument IMAGES'],
    [['classify'], 'Missing argument MODEL'],
    [['convert', 'x', '--out'], 'Missing value for --out <dir>'],
    [
      ['dataset', 'sample', 'x', '--count', '3', '--fraction', '0.5'],
      "Option '--fraction <f>' cannot be used with option '--count <n>'",
    ],
    [['evaluate', 'm', '--images', 'x', '--no-labels'], 'Expected --against with --no-labels'],
  ])('%j', async (args, message) => {
    const { status, stdout, stderr } = await cli(args);
    expect(status).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toContain(`error: ${message}`);
  });

  it.each<[string[], string]>([
    [['--count', '1.5'], 'an integer of at least 1 for --count but received "1.5"'],
    [['--count', ''], 'an integer of at least 1 for --count but received an empty value'],
    [['--fraction=0'], 'a number over 0 and at most 1 for --fraction but received "0"'],
    [['--fraction=2'], 'a number over 0 and at most 1 for --fraction but received "2"'],
    [['--fraction=5%'], 'a number over 0 and at most 1 for --fraction but received "5%"'],
    [['--seed', 'x'], 'an integer for --seed but received "x"'],
    [['--size', '-1'], 'an integer of at least 1 for --size but received "-1"'],
    [['--divisor', 'two'], 'an integer of at least 0 for --divisor but received "two"'],
    [['--batch', '0'], 'an integer of at least 1 for --batch but received "0"'],
    [['--threads', '5000'], 'an integer from 1 to 1024 for --threads but received "5000"'],
    [['--provider=gpu'], 'one of onnxruntime, tensorrt, auto for --provider but received "gpu"'],
    [
      ['--style=new'],
      'one of exact, onnxruntime-1.20, onnxruntime-1.12 for --style but received "new"',
    ],
  ])('calibrate with %j says what was expected and what came', async (args, message) => {
    const outcome = await cli(['calibrate', 'm.onnx', '--images', 'x', '--out', 'y', ...args]);
    expect(outcome.status).toBe(2);
    expect(outcome.stderr).toBe(`error: Expected ${message}\n`);
  });

  it('names a flag as it was typed', async () => {
    const args = ['build', 'm.onnx', '--saveEngine=x'];
    const typed = await cli([...args, '--computeCapabilities=eighty']);
    expect(typed.status).toBe(2);
    expect(typed.stderr).toContain(
      'Expected compute capabilities such as 80,89,120 for --computeCapabilities but received "eighty"',
    );
    const kebab = await cli([...args, '--compute-capabilities', 'eighty']);
    expect(kebab.stderr).toContain('for --compute-capabilities but received');
    const level = await cli([...args, '--builderOptimizationLevel=9']);
    expect(level.stderr).toContain('from 0 to 5 for --builderOptimizationLevel but received "9"');
    const pool = await cli([...args, '--memPoolSize', 'workspace:lots']);
    expect(pool.stderr).toContain('for --memPoolSize but received "workspace:lots"');
    const shapes = await cli([...args, '--minShapes=1x3']);
    expect(shapes.stderr).toContain('for --minShapes but received "1x3"');
    expect(shapes.status).toBe(2);
  });

  it('is one JSON document with --json', async () => {
    const { status, document, stderr } = await cliJson(['calibrate', '--siez=3']);
    expect(status).toBe(2);
    expect(stderr).toBe('');
    expect(document).toEqual({
      error: {
        code: 'USAGE',
        message: 'Unknown option --siez; did you mean --size?',
        remedy: 'See `tensorrt-node calibrate --help`.',
        detail: [],
      },
    });
    const nothing = await cliJson(['dataset']);
    expect(nothing.status).toBe(2);
    expect(nothing.document.error.message).toBe('Missing command after tensorrt-node dataset');
  });

  it('takes --json before the command, and not behind --', async () => {
    expect((await cli(['--json', 'calibrat'])).stdout).toContain('"USAGE"');
    expect((await cli(['inspect', '--', '--json'])).stderr).toContain('FILE_NOT_FOUND');
  });
});

describe('normalizeFlags', () => {
  const program = new Command('p').option('--json');
  program.command('build').option('--save-engine <file>').option('--no-tf32');
  program.command('other').option('--name <n>');

  it('turns camel case into the flags that the command knows', () => {
    const { argv, typed } = normalizeFlags(program, [
      'build',
      '--saveEngine=A/saveEngine',
      '--noTF32',
      '--saveEngine',
      'x',
    ]);
    expect(argv).toEqual([
      'build',
      '--save-engine=A/saveEngine',
      '--no-tf32',
      '--save-engine',
      'x',
    ]);
    expect([...typed]).toEqual([
      ['--save-engine', '--saveEngine'],
      ['--no-tf32', '--noTF32'],
    ]);
  });

  it.each([
    [['other', '--saveEngine=x']],
    [['build', '--', '--saveEngine=x']],
    [['build', '-saveEngine']],
    [['build', '--SaveEngine=x']],
    [['build', 'saveEngine']],
  ])('leaves %j as it is', (argv) => {
    expect(normalizeFlags(program, argv).argv).toEqual(argv);
  });
});

describe('nearest', () => {
  it('counts edits, swapped neighbours as one', () => {
    expect(editDistance('kitten', 'sitting')).toBe(3);
    expect(editDistance('siez', 'size')).toBe(1);
    expect(editDistance('', 'abc')).toBe(3);
    expect(editDistance('same', 'same')).toBe(0);
  });

  it('finds what is near, and nothing where nothing is', () => {
    expect(nearest('--labls', ['--labels', '--batch'])).toBe('--labels');
    expect(nearest('--zzz', ['--labels', '--batch'])).toBeUndefined();
    expect(nearest('--x', ['--y'])).toBe('--y');
    expect(nearest('--min', ['--min-shapes'])).toBeUndefined();
  });
});
