import { expect, test } from 'vitest';
import { ExactSum } from '../../lib/tasks/exact-sum.js';
import { seeded } from '../calibration/tables/mutate.js';

function sumOf(terms: readonly number[]): number {
  const sum = new ExactSum();
  for (const term of terms) sum.add(term);
  return sum.value;
}

test('is rounded once', () => {
  // The values of CPython's math.fsum.
  expect(sumOf(new Array(10).fill(0.1))).toBe(1);
  expect(sumOf([1e100, 1, -1e100])).toBe(1);
  expect(sumOf([2 ** 53, -0.5, -(2 ** -54)])).toBe(2 ** 53 - 1);
  expect(sumOf([2 ** 53, 1, 2 ** -100])).toBe(2 ** 53 + 2);
  expect(sumOf([2 ** 53 + 2, 1, -(2 ** -100)])).toBe(2 ** 53 + 2);
  expect(sumOf([])).toBe(0);
  expect(sumOf([1, Number.POSITIVE_INFINITY])).toBe(Number.POSITIVE_INFINITY);
  expect(sumOf([1, Number.NaN, 2])).toBeNaN();
});

test('does not depend on the order, nor on how the terms are split', () => {
  const random = seeded(3);
  const terms = Array.from({ length: 1000 }, () => (random() - 0.5) * 10 ** (40 * random() - 20));
  const whole = sumOf(terms);
  expect(sumOf([...terms].reverse())).toBe(whole);
  const parts = [0, 1, 2].map((part) => {
    const sum = new ExactSum();
    for (const [place, term] of terms.entries()) if (place % 3 === part) sum.add(term);
    return sum;
  });
  const merged = new ExactSum(parts[2]!.state);
  for (const part of [parts[0]!, parts[1]!]) for (const term of part.state) merged.add(term);
  expect(merged.value).toBe(whole);
});
