import { runWorkerProcess } from './run-process.ts';

const asked = Promise.withResolvers<string>();
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, asked.resolve);
process.exit(await runWorkerProcess(process.env, asked.promise));
