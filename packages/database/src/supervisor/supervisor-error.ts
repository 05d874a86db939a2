/** The embedded PostgreSQL cannot be had. The message is one line that says what is wrong and what to do about it. */
export class SupervisorError extends Error {
  override readonly name = 'SupervisorError';

  constructor(message: string, options: { cause?: unknown } = {}) {
    super(message.replaceAll(/\s*\n\s*/g, ' '), options);
  }
}
