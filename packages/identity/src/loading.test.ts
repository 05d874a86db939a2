import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

/** What a process of its own has loaded of Better Auth, Kysely included, once it has imported these files. */
function loadedBy(...files: string[]): string[] {
  const imports = files.map(
    (file) => `await import(${JSON.stringify(fileURLToPath(new URL(file, import.meta.url)))});`,
  );
  const tell = 'console.log(JSON.stringify(Object.keys(require.cache)));';
  const printed = execFileSync(process.execPath, ['-e', [...imports, tell].join('\n')], { encoding: 'utf8' });
  const paths = JSON.parse(printed) as string[];
  return paths.filter((path) => /node_modules\/(?:@?better-auth|kysely)\//.test(path));
}

test('Better Auth is loaded when somebody needs it, and not with the package', () => {
  expect(loadedBy('./index.ts')).toEqual([]);
  expect(loadedBy('./index.ts', './open-better-auth.ts')).not.toEqual([]);
});
