// `npm run fuzz`: damaged tables and models, with other seeds than `npm test` and many more of them.
//
// fuzz [-- --seed 1] [--tables 10000] [--models 2000] [--seconds 0]
//
// Rounds with successive seeds until the time is over (one round by default). Each round runs in
// processes of its own, whose heap is limited; the tests measure each case's processor time and the
// memory at the end. A failure names the case and the seed: `--seed N` repeats the round.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = fileURLToPath(new URL('..', import.meta.url));
const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    tables: { type: 'string', default: '10000' },
    models: { type: 'string', default: '2000' },
    seconds: { type: 'string', default: '0' },
  },
});
const numbers = Object.fromEntries(
  Object.entries(values).map(([name, text]) => {
    if (!/^\d+$/.test(text)) {
      console.error(`Expected a whole number for --${name} but received "${text}"`);
      process.exit(2);
    }
    return [name, Number(text)];
  }),
);

const start = performance.now();
let round = 0;
do {
  const seed = (numbers.seed + round) % 2 ** 31;
  console.log(
    `\nround ${round + 1}: seed ${seed}, ${values.tables} tables, ${values.models} models`,
  );
  const { status } = spawnSync(
    'npx',
    [
      ...['--no-install', 'vitest', 'run', 'test/fuzz', 'test/calibration/tables/fuzz.test.ts'],
      // Every case has its own limit; a hang ends with the round.
      `--testTimeout=${600_000}`,
    ],
    {
      cwd: root,
      stdio: 'inherit',
      env: {
        ...process.env,
        NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ''} --max-old-space-size=1024`,
        FUZZ_SEED: String(seed),
        FUZZ_TABLES: values.tables,
        FUZZ_MODELS: values.models,
      },
    },
  );
  if (status !== 0) {
    console.error(`\nFailed. Repeat with: npm run fuzz -- --seed ${seed}`);
    process.exit(1);
  }
  round += 1;
} while ((performance.now() - start) / 1000 < numbers.seconds);
console.log(`\n${round} round(s) passed`);
