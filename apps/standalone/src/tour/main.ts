import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { readConfig } from '@mono-auth/control-plane';
import { systemRuntime } from '@mono-auth/core/runtime';
import { operatorFile } from '../seed/first-start.ts';
import { tellStory } from './tell-story.ts';

/** `npm run tour`: tells the story against the running system. Exit code 1 when a step does not hold, 2 without one. */
async function main(): Promise<number> {
  const config = readConfig(process.env);
  const { host, port } = config.MONO_LISTEN;
  const baseUrl = config.MONO_BASE_URL ?? `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
  const running = await fetch(`${baseUrl}/t/platform/jwks`).catch(() => undefined);
  if (!running?.ok) {
    process.stderr.write(`tour: nothing serves at ${baseUrl}; run npm start first, or name it with MONO_BASE_URL\n`);
    return 2;
  }
  const operator = readOperator(config);
  const telling = `tour-${systemRuntime.uuid().slice(-12)}`;
  const scene = { baseUrl, operator, telling, made: {} };
  const holds = await tellStory(scene, (line) => process.stdout.write(`${line}\n`));
  process.stdout.write(holds ? 'The story holds.\n' : 'The story does not hold.\n');
  return holds ? 0 : 1;
}

function readOperator(config: ReturnType<typeof readConfig>): { email: string; password: string } {
  const { MONO_BOOTSTRAP_EMAIL: email, MONO_BOOTSTRAP_PASSWORD: password } = config;
  if (password) return { email, password };
  const path = operatorFile(resolve(config.MONO_DATA_DIR));
  return JSON.parse(readFileSync(path, 'utf8')) as { email: string; password: string };
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`tour: ${(error as Error).message}\n`);
  process.exitCode = 2;
}
