/** Prints `N passed, N failed` from the report of the last `npm test`; exits 0 only when something passed and nothing failed. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { repositoryRoot } from './bun.mjs';

const reportDir = join(repositoryRoot, '.mono', 'test-report');
const testExitCode = Number(process.argv[2]);

const steps = (await readJson('steps.json')) ?? [];
const report = await readJson('vitest.json');

const passed = steps.filter((step) => step.passed).length + (report?.numPassedTests ?? 0);
let failed = steps.filter((step) => !step.passed).length + (report?.numFailedTests ?? 0);

// A file that could not even be loaded has no test to count: the file itself is what failed.
for (const file of report?.testResults ?? []) {
  if (file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed')) failed += 1;
}
// A run that failed outside every step and test (no install, an unhandled error, a crash) must not read as green.
if (testExitCode !== 0 && failed === 0) failed += 1;
if (passed === 0 && failed === 0) failed += 1;

console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;

async function readJson(name) {
  const text = await readFile(join(reportDir, name), 'utf8').catch(() => null);
  return text === null ? null : JSON.parse(text);
}
