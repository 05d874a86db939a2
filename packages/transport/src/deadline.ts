import type { Interceptor } from '@connectrpc/connect';
import { Refusal } from '@mono-auth/core/errors';
import { unaryDeadlineMsMax } from '@mono-auth/core/limits';

/** Ends a unary call that outlives the longest deadline we grant; streams live by their lease instead. */
export function createDeadlineInterceptor(deadlineMs = unaryDeadlineMsMax): Interceptor {
  return (next) => async (request) => {
    if (request.stream) return next(request);
    let timer: ReturnType<typeof setTimeout> | undefined;
    const expired = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new Refusal('deadline_exceeded', `no answer within ${deadlineMs} ms`)),
        deadlineMs,
      );
    });
    try {
      return await Promise.race([next(request), expired]);
    } finally {
      clearTimeout(timer);
    }
  };
}
