/** A job names work and the ids that it is about. It is a nudge: what is to be done stands in tables (law 2). */
export interface Job {
  readonly name: string;
  readonly ids: Readonly<Record<string, string>>;
}

/** An id on the wire has 30 characters; a kind and an id, or a uuid, fit as well. Data does not. */
const idPattern = /^[A-Za-z0-9_:.-]{1,64}$/;
const idNamePattern = /^[a-z][A-Za-z]{0,31}$/;
/** A job is about one thing and what it belongs to. */
const idsMax = 8;
const namePattern = /^[a-z][a-z-]{0,31}$/;
/** BullMQ takes no colon and nothing that reads as an integer. */
const jobIdPattern = /^(?!\d+$)[A-Za-z0-9_-]{1,64}$/;

/** @throws TypeError on a job that carries more than ids: only a mistake in our code can make one. */
export function checkJob(name: string, ids: Readonly<Record<string, string>>, jobId?: string): void {
  if (!namePattern.test(name)) throw new TypeError(`not a job name: ${name}`);
  const entries = Object.entries(ids);
  const idsOnly = entries.every(
    ([key, value]) => idNamePattern.test(key) && typeof value === 'string' && idPattern.test(value),
  );
  if (!idsOnly || entries.length > idsMax) {
    throw new TypeError(`job ${name}: jobs carry ids only (at most ${idsMax}, up to 64 characters each)`);
  }
  if (jobId !== undefined && !jobIdPattern.test(jobId)) throw new TypeError(`job ${name}: not a job id: ${jobId}`);
}
