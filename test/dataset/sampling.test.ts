import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { calibrationSizeWarning, PythonRandom, sampleFiles } from '../../lib/dataset/index.js';

interface Vector {
  n: number;
  seed: number;
  fraction: number;
  shuffled_head: string[];
  sample: string[];
  sample_size: number;
}
const vectors = JSON.parse(
  readFileSync(new URL('../fixtures/python_random.json', import.meta.url), 'utf8'),
) as Vector[];
const names = (n: number) => Array.from({ length: n }, (_, i) => String(i).padStart(6, '0'));

describe('PythonRandom', () => {
  it.each([
    // [random.seed(s); random.getrandbits(32), four times] of CPython 3.11
    [0, [3626764237, 1654615998, 3255389356, 3823568514]],
    [1234, [4150886329, 3342196574, 1892932127, 501869158]],
    [-1234, [4150886329, 3342196574, 1892932127, 501869158]],
    [2n ** 70n + 5n, [2004888747, 1674612923, 2039552273, 2687345034]],
  ])('seed %s gives the numbers of CPython', (seed, expected) => {
    const random = new PythonRandom(seed);
    expect([0, 1, 2, 3].map(() => random.next32())).toEqual(expected);
  });
});

describe('sampleFiles', () => {
  it.each(vectors)('n $n, seed $seed, fraction $fraction is CPython’s', (vector) => {
    const paths = names(vector.n);
    const shuffled = [...paths];
    new PythonRandom(vector.seed).shuffle(shuffled);
    expect(shuffled.slice(0, vector.shuffled_head.length)).toEqual(vector.shuffled_head);
    const { seed, fraction } = vector;
    const sample = sampleFiles(paths, { seed, fraction });
    expect(sample).toHaveLength(vector.sample_size);
    expect(sample.slice(0, vector.sample.length)).toEqual(vector.sample);
    expect(paths).toEqual(names(vector.n));
  });

  it('takes a count, from a copied pool and from a set of positions', () => {
    const numbers = (n: number) => Array.from({ length: n }, (_, i) => String(i));
    // random.seed(7); random.shuffle(p); random.sample(p, k) of CPython 3.11
    expect(sampleFiles(numbers(30), { count: 10, seed: 7 })).toEqual([
      '16',
      '10',
      '26',
      '5',
      '0',
      '20',
      '6',
      '7',
      '8',
      '14',
    ]);
    expect(sampleFiles(numbers(100_000), { count: 6, seed: 7n })).toEqual([
      '70366',
      '13572',
      '80291',
      '16628',
      '50080',
      '3606',
    ]);
  });

  it('has the seed 1234 by default, and takes everything when not told how much', () => {
    expect(sampleFiles(names(100), { fraction: 0.05 })).toEqual(vectors[0]?.sample);
    expect(sampleFiles(['b', 'a'], {})).toEqual(['b', 'a']);
    expect(sampleFiles(names(10), { fraction: 0.05 })).toEqual([]);
  });

  it('shares a count among folders by largest remainder', () => {
    const folder = (label: string, n: number) =>
      Array.from({ length: n }, (_, i) => `train/${label}/${i}.png`);
    const paths = [...folder('c', 50), ...folder('a', 33), ...folder('b', 17)];
    const sample = sampleFiles(paths, { count: 10, stratified: true });
    const count = (label: string) => sample.filter((path) => path.includes(`/${label}/`)).length;
    // 5.0, 3.3 and 1.7 of 10
    expect([count('a'), count('b'), count('c')]).toEqual([3, 2, 5]);
    expect(new Set(sample).size).toBe(10);
    expect(sampleFiles(paths, { count: 10, stratified: true })).toEqual(sample);
    expect(sampleFiles(paths, { count: 10, stratified: true, seed: 1 })).not.toEqual(sample);
  });

  it.each([
    [{ fraction: 0 }, 'fraction'],
    [{ fraction: 1.5 }, 'fraction'],
    [{ fraction: Number.NaN }, 'fraction'],
    [{ count: 0 }, 'count'],
    [{ count: 11 }, 'at most 10'],
    [{ count: 1.5 }, 'count'],
    [{ count: 5, fraction: 0.5 }, 'not both'],
    [{ count: 5, seed: 0.5 }, 'seed'],
  ])('refuses %o', (options, message) => {
    expect(() => sampleFiles(names(10), options)).toThrow(message);
  });
});

describe('calibrationSizeWarning', () => {
  it('warns below 200 images', () => {
    expect(calibrationSizeWarning(200)).toBeUndefined();
    expect(calibrationSizeWarning(199)).toContain('Only 199 calibration images');
    expect(calibrationSizeWarning(1)).toContain('Only 1 calibration image:');
  });
});
