/** Jobs that one worker runs at once: they wait for Postgres most of the time. */
export const concurrency = 4;
/** Life-cycle events kept for each queue: nobody subscribes to them, so only a few stay for looking at. */
export const eventsMax = 100;
