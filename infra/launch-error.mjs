/** A start that cannot go on: one line for people, and the exit code that goes with it. */
export class LaunchError extends Error {
  name = 'LaunchError';

  /**
   * @param {string} message one line
   * @param {number} exitCode 2 by default: something the person who started us has to put right
   */
  constructor(message, exitCode = 2) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** Runs `main` and exits with what it returns; a LaunchError becomes its one line. */
export async function exitWith(main) {
  try {
    process.exitCode = await main();
  } catch (error) {
    if (!(error instanceof LaunchError)) throw error;
    console.error(`mono-auth: ${error.message}`);
    process.exitCode = error.exitCode;
  }
}
