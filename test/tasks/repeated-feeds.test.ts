import { expect, test } from 'vitest';
import { repeatedFeeds } from '../../lib/tasks/repeated-feeds.js';
import { type NamedTensors, Tensor } from '../../lib/tensor.js';

/** Three batches of 8 bytes in the same memory, and how often they were made. */
function source() {
  const data = new Float32Array(2);
  const made = { times: 0 };
  const make = async function* () {
    made.times += 1;
    for (const value of [1, 2, 3]) {
      data.fill(value);
      yield { x: new Tensor('float32', data, [1, 2]) };
    }
  };
  return { make, made };
}

async function valuesOf(feeds: AsyncIterable<NamedTensors>): Promise<number[]> {
  const values: number[] = [];
  for await (const { x } of feeds) {
    values.push(x!.data[1] as number);
    (x!.data as Float32Array).fill(9);
  }
  return values;
}

test('few batches are made once', async () => {
  const { make, made } = source();
  const feeds = repeatedFeeds(make, 24);
  expect(await valuesOf(feeds())).toEqual([1, 2, 3]);
  expect(await valuesOf(feeds())).toEqual([1, 2, 3]);
  expect(made.times).toBe(1);
});

test('many batches are made again, and so are those of a pass that was left', async () => {
  const { make, made } = source();
  const many = repeatedFeeds(make, 23);
  expect(await valuesOf(many())).toEqual([1, 2, 3]);
  expect(await valuesOf(many())).toEqual([1, 2, 3]);
  expect(made.times).toBe(2);
  const left = repeatedFeeds(make, 24);
  for await (const _ of left()) break;
  expect(await valuesOf(left())).toEqual([1, 2, 3]);
  expect(made.times).toBe(4);
});
