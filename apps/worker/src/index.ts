export type { WorkerJobs } from './jobs.ts';
export { openLog } from './open-log.ts';
export { runWorkerProcess } from './run-process.ts';
export { type RunningWorker, runWorker, type WorkerDeps } from './run-worker.ts';
