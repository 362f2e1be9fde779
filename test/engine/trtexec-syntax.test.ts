import { describe, expect, it } from 'vitest';
import {
  parseComputeCapabilities,
  parseMemPoolSize,
  parseShapes,
  profileFromShapes,
} from '../../lib/engine/index.js';

describe('parseShapes', () => {
  it.each<[string, [string, number[]][]]>([
    ['input:1x3x224x224', [['input', [1, 3, 224, 224]]]],
    [
      'a:1,b:2x3',
      [
        ['a', [1]],
        ['b', [2, 3]],
      ],
    ],
    ['scope:0:4x4', [['scope:0', [4, 4]]]],
    [
      'x:,y:scalar',
      [
        ['x', []],
        ['y', []],
      ],
    ],
    ["'quoted':5", [['quoted', [5]]]],
    ['__proto__:5', [['__proto__', [5]]]],
  ])('reads %s', (text, shapes) => {
    expect([...parseShapes('--minShapes', text)]).toEqual(shapes);
  });

  it.each(['', 'input', 'input:1x', 'input:axb', ':1x2', 'a:1,,b:2', 'a:1,a:2', 'a:-1x3'])(
    'refuses "%s"',
    (text) => {
      expect(() => parseShapes('--minShapes', text)).toThrow(RangeError);
      expect(() => parseShapes('--minShapes', text)).toThrow('--minShapes');
    },
  );
});

describe('parseMemPoolSize', () => {
  it.each<[string, object]>([
    ['workspace:4096M', { workspace: 4096 * 2 ** 20 }],
    ['workspace:4096', { workspace: 4096 * 2 ** 20 }],
    ['workspace:0.5G', { workspace: 2 ** 29 }],
    ['workspace:100B', { workspace: 100 }],
    ['workspace:1KiB', { workspace: 1024 }],
    ['dlaSRAM:1k,tacticSharedMem:2M', { dlaSRAM: 1024, tacticSharedMem: 2 ** 21 }],
  ])('reads %s', (text, sizes) => {
    expect(parseMemPoolSize('--memPoolSize', text)).toEqual(sizes);
  });

  it.each(['workspace', 'workspace:', 'work:1M', 'workspace:1T', 'workspace:-1', 'toString:1'])(
    'refuses "%s"',
    (text) => {
      expect(() => parseMemPoolSize('--memPoolSize', text)).toThrow(RangeError);
    },
  );

  it('refuses what no memory holds', () => {
    expect(() => parseMemPoolSize('--memPoolSize', 'workspace:99999999999G')).toThrow(
      'Expected a size in memory',
    );
  });
});

describe('parseComputeCapabilities', () => {
  it('reads numbers, versions and sm names', () => {
    expect(parseComputeCapabilities('--computeCapabilities', '80,8.9,sm_120,sm86, 12.1')).toEqual([
      80, 89, 120, 86, 121,
    ]);
  });

  it.each(['', '8', 'ada', '80;89', '8.0.0'])('refuses "%s"', (text) => {
    expect(() => parseComputeCapabilities('--computeCapabilities', text)).toThrow(RangeError);
  });
});

describe('profileFromShapes', () => {
  it('takes all three', () => {
    expect(profileFromShapes('x:1x3', 'x:2x3', 'x:4x3')).toEqual({
      x: { min: [1, 3], opt: [2, 3], max: [4, 3] },
    });
  });

  it('takes what is missing from the others', () => {
    expect(profileFromShapes(undefined, undefined, undefined)).toBeUndefined();
    expect(profileFromShapes(undefined, 'x:2', undefined)).toEqual({
      x: { min: [2], opt: [2], max: [2] },
    });
    expect(profileFromShapes('x:1', undefined, 'x:4')).toEqual({
      x: { min: [1], opt: [4], max: [4] },
    });
    expect(profileFromShapes('x:1', undefined, undefined)).toEqual({
      x: { min: [1], opt: [1], max: [1] },
    });
  });

  it('wants each input in every option that is given', () => {
    expect(() => profileFromShapes('x:1', 'x:1,y:2', 'x:1,y:2')).toThrow(
      'Expected a shape for input y too for --minShapes',
    );
  });
});
