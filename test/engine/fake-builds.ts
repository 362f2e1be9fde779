// Builds with the fake TensorRT, and what the fake builder was told.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { type BuildOptions, type BuildResult, buildEngine } from '../../lib/engine/index.js';
import { buildFakes, type FakeMajor, type FakeOptions, type Fakes } from '../fakes/build.js';

const BASE = new URL('../../build/Release/base.node', import.meta.url);

/** One line of the fake's report; see test/fakes/nvinfer/report.cc. */
export interface ToldBuilder {
  flags: string[];
  ranges: Record<string, [number, number]>;
  precisions: Record<string, string>;
  outputTypes: Record<string, string>;
  pools: Record<string, number>;
  previews: number[];
  optimization: number;
  auxStreams: number;
  hardware: number;
  verbosity: number;
  tacticSources: number;
  averages: number;
  profiles: number;
  timingEntries: number;
  device: number;
  inputs: Record<string, { type: string; formats: number }>;
  outputs: Record<string, { type: string; formats: number }>;
}

function optionText(options: FakeOptions): string {
  return Object.entries(options)
    .map(([key, value]) => `${key}=${value}`)
    .join(';');
}

/** The fakes of one version inside the test's own process, which then has no other driver. */
export class FakeBuilds {
  readonly folder = mkdtempSync(join(tmpdir(), 'fake-builds-'));
  private readonly report = join(this.folder, 'report.jsonl');
  private readonly fakes: Fakes;

  private constructor(fakes: Fakes) {
    this.fakes = fakes;
  }

  static async open(major: FakeMajor = 10): Promise<FakeBuilds | undefined> {
    const fakes = await buildFakes(major);
    if (fakes === undefined) return undefined;
    process.env.TENSORRT_NODE_FAKE_CUDA = '';
    // The driver that the process opens first is the one it keeps.
    createRequire(import.meta.url)(BASE.pathname).queryDriver(fakes.cuda);
    return new FakeBuilds(fakes);
  }

  close(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** A file of this test. */
  path(name: string): string {
    return join(this.folder, name);
  }

  /** Builds without a cache; `fake` are switches of the fake TensorRT, `cuda` of the driver. */
  async build(
    model: string | Uint8Array,
    options: BuildOptions = {},
    fake: FakeOptions = {},
    cuda: FakeOptions = {},
  ): Promise<{ result: BuildResult; told: ToldBuilder }> {
    process.env.TENSORRT_NODE_FAKE_TENSORRT = optionText({ buildReport: this.report, ...fake });
    process.env.TENSORRT_NODE_FAKE_CUDA = optionText(cuda);
    const before = this.lines().length;
    const result = await buildEngine(model, {
      libraryDir: this.fakes.dir,
      cache: false,
      ...options,
    });
    const told = this.lines()[before];
    if (told === undefined) throw new Error('The fake builder was not told to build');
    return { result, told: JSON.parse(told) as ToldBuilder };
  }

  /** How many builds the fake began. */
  builds(): number {
    return this.lines().length;
  }

  private lines(): string[] {
    if (!existsSync(this.report)) return [];
    return readFileSync(this.report, 'utf8').trimEnd().split('\n');
  }
}

/** The fakes for the tests of a file. Version 10 is always there; the others where their headers are. */
export async function openFakes() {
  // In this order: the first driver stays.
  const ten = (await FakeBuilds.open(10))!;
  const eight = await FakeBuilds.open(8);
  const eleven = await FakeBuilds.open(11);
  afterAll(() => {
    for (const fake of [eight, ten, eleven]) fake?.close();
  });
  return { eight, ten, eleven };
}
