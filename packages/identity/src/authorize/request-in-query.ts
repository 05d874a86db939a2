/** Names that Better Auth adds to a request that it signs for its consent page. */
const added = ['sig', 'exp', 'ba_iat', 'ba_pl', 'ba_param'];

/** The authorization request itself. */
export function requestIn(signed: URLSearchParams): URLSearchParams {
  return new URLSearchParams([...signed].filter(([name]) => !added.includes(name)));
}
