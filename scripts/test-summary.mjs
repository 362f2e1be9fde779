// Prints the closing line `N passed, N failed` from the report that scripts/test.mjs left.
import { readFileSync } from 'node:fs';

let passed = 0;
let failed = 1; // no report means that the run itself failed
try {
  const report = JSON.parse(
    readFileSync(new URL('../build/test-report.json', import.meta.url), 'utf8'),
  );
  passed = report.passed;
  failed = report.failed;
} catch (error) {
  console.error(`No test report: ${error.message}`);
}
console.log(`${passed} passed, ${failed} failed`);
