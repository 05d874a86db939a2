export type { Job } from './job.ts';
export { type JobQueue, type JobQueueDeps, openJobQueue } from './job-queue.ts';
