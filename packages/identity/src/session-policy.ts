/** How long a session lives at most, whatever happens in it, seconds: a working week and its weekend. */
export const sessionTtlSeconds = 7 * 24 * 60 * 60;

/**
 * Sign-ins that one address (an IPv6 /64) may try at one tenant in the window: a large office in the morning behind one
 * address. A list of stolen passwords takes years at this rate.
 */
export const addressAttemptsMax = 300;
/** Sign-ins that may fail for one account, from wherever, in the window: guessing stays hopeless against twelve characters. */
export const accountAttemptsMax = 15;
export const attemptsWindowSeconds = 300;

/** Refused sign-ins that one tenant's log takes in a minute: whoever guesses does not get to fill the disk. */
export const recordedDenialsMax = 60;
export const recordedDenialsWindowMs = 60_000;
