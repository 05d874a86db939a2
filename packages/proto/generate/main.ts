import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { file_buf_validate_validate } from '@bufbuild/protovalidate/gen/buf/validate/validate_pb.js';
import { printProto } from './print-proto.ts';

/**
 * `bun packages/proto/generate/main.ts`          format and generate packages/proto/src
 * `bun packages/proto/generate/main.ts --check`  lint, compare with the baseline image and with the generated code
 * `bun packages/proto/generate/main.ts --baseline`  accept today's contract as the baseline of `buf breaking`
 */
const root = join(import.meta.dirname, '../../..');
const protoDir = join(root, 'proto');
const generated = join(root, 'packages/proto/src');
const baseline = join(protoDir, 'baseline.binpb');
/** What is ours to generate and to keep; `.deps` is not. */
const ours = ['--path', 'monoauth', '--path', 'google/rpc'];
const buf = join(root, 'node_modules/@bufbuild/buf/bin/buf');

function run(command: string[], cwd: string): boolean {
  const { exitCode } = Bun.spawnSync(command, {
    cwd,
    stdout: 'inherit',
    stderr: 'inherit',
    env: { ...process.env, PATH: `${dirname(process.execPath)}:${process.env.PATH}` },
  });
  return exitCode === 0;
}

function generateInto(out: string): boolean {
  const plugin = ['--template', JSON.stringify(template(out))];
  return run([process.execPath, buf, 'generate', ...plugin, ...ours], protoDir);
}

function template(out: string): object {
  return {
    version: 'v2',
    clean: true,
    plugins: [
      {
        local: [process.execPath, join(root, 'node_modules/@bufbuild/protoc-gen-es/bin/protoc-gen-es')],
        out,
        opt: [
          'target=js+dts',
          'import_extension=js',
          'rewrite_imports=./buf/validate/*_pb.js:@bufbuild/protovalidate/gen',
        ],
      },
    ],
  };
}

const dependency = join(protoDir, '.deps/buf/validate/validate.proto');
mkdirSync(dirname(dependency), { recursive: true });
writeFileSync(dependency, printProto(file_buf_validate_validate));

const mode = process.argv[2];
const steps: (() => boolean)[] = [];
if (mode === '--check') {
  const fresh = mkdtempSync(join(tmpdir(), 'mono-proto-'));
  steps.push(
    () => run([process.execPath, buf, 'lint'], protoDir),
    () => run([process.execPath, buf, 'format', '--diff', '--exit-code', ...ours], protoDir),
    () => run([process.execPath, buf, 'breaking', '--against', baseline, ...ours], protoDir),
    () => generateInto(fresh) && run(['diff', '-r', fresh, generated], root),
    () => {
      rmSync(fresh, { recursive: true });
      return true;
    },
  );
} else if (mode === '--baseline') {
  steps.push(() => run([process.execPath, buf, 'build', ...ours, '-o', baseline], protoDir));
} else {
  steps.push(
    () => run([process.execPath, buf, 'format', '-w', ...ours], protoDir),
    () => generateInto(generated),
  );
}
process.exitCode = steps.every((step) => step()) ? 0 : 1;
