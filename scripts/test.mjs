// `npm test`: sets everything up, then runs every check and every test.
// Arguments are passed on to vitest: `npm test -- test/dataset`.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { setUp } from './setup.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const reportFile = fileURLToPath(new URL('../build/test-report.json', import.meta.url));
const vitestFile = fileURLToPath(new URL('../build/vitest.json', import.meta.url));
const filters = process.argv.slice(2);

mkdirSync(fileURLToPath(new URL('../build', import.meta.url)), { recursive: true });
rmSync(reportFile, { force: true });
rmSync(vitestFile, { force: true });

await setUp({ requireEverything: true });

/** Runs one tool of this package; a check counts as one test in the report. */
function run(name, args) {
  console.log(`\n── ${name} ──`);
  return spawnSync('npx', ['--no-install', ...args], { cwd: root, stdio: 'inherit' }).status === 0;
}

const checks = [];
if (filters.length === 0) {
  checks.push(['format and lint (biome)', ['biome', 'ci', '--error-on-warnings', '.']]);
  checks.push(['types (tsc)', ['tsc', '--noEmit']]);
  checks.push(['API documentation (typedoc)', ['typedoc', '--emit', 'none']]);
}
let passed = 0;
let failed = 0;
const failures = [];
for (const [name, args] of checks) {
  if (run(name, args)) passed += 1;
  else {
    failed += 1;
    failures.push(name);
  }
}

const coverage = filters.length === 0 ? ['--coverage'] : [];
const vitestOk = run('tests (vitest)', [
  'vitest',
  'run',
  ...coverage,
  '--reporter=default',
  '--reporter=json',
  `--outputFile.json=${vitestFile}`,
  ...filters,
]);
try {
  const report = JSON.parse(readFileSync(vitestFile, 'utf8'));
  passed += report.numPassedTests;
  failed += report.numFailedTests;
  if (report.numFailedTestSuites > 0) failures.push(`${report.numFailedTestSuites} test suites`);
} catch {
  failures.push('vitest left no report');
}
// Vitest also fails for what is no test: coverage below the threshold, an unhandled rejection.
if (!vitestOk && failures.length === 0)
  failures.push('vitest (coverage threshold or unhandled error)');
if (failures.length > 0 && failed === 0) failed = 1;

writeFileSync(reportFile, JSON.stringify({ passed, failed, failures }));
if (failures.length > 0) console.error(`\nFailed: ${failures.join(', ')}`);
process.exitCode = failed === 0 ? 0 : 1;
