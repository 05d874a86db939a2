/** Limits that more than one package holds to. Each has its reason; what exceeds one gets a clear refusal. */

/** Longest request body, bytes. The largest legitimate one is a policy draft. */
export const requestBytesMax = 1024 * 1024;
/** Longest response message, bytes: an export page. */
export const responseBytesMax = 16 * 1024 * 1024;
/** Longest time a unary call may take, milliseconds; a caller may ask for less. */
export const unaryDeadlineMsMax = 30_000;
/** Clock difference that is forgiven between us and a peer, seconds. */
export const clockSkewSeconds = 30;
/** Longest token in bytes that is parsed at all: ours stay below 4 KiB. */
export const tokenBytesMax = 8 * 1024;
/** Depth of a delegation chain (`act` nesting), beyond which exchange refuses (law 6). */
export const actDepthMax = 5;
/** Ancestors' `jti` that a token carries (`pjti`), exchanges without an actor counted. */
export const ancestorsMax = 10;
/** Grants that a token hangs on (`grants`: consents, refresh families, roles), those of its ancestors counted: 2 KiB of it. */
export const grantsMax = 64;
/** Items on one page of a list when the caller names no number; the contract's validation allows 200. */
export const pageItemsDefault = 50;
/** Display names. */
export const nameCharsMax = 120;
/** Lifetimes of access tokens where nobody chose one, seconds: hosts and agents, people, the gateway's own use. */
export const machineTokenTtlSeconds = 300;
export const personTokenTtlSeconds = 600;
export const gatewayTokenTtlSeconds = 60;
/** The longest that the approved manifest of a client may choose, seconds: a verifier that only knows the keys is blind that long. */
export const accessTokenTtlSecondsMax = 86_400;
