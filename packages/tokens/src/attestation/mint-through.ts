import type { GrantId } from '@mono-auth/core/ids';
import type { Minter } from '@mono-auth/minting';

/** The minter of an instance that somebody vouches for: whatever it makes dies with the trust that `handle` names. */
export function mintThrough(minter: Minter, handle: GrantId): Minter {
  const and = <T extends string>(grants: readonly T[] = []) => [...new Set<T | GrantId>([...grants, handle])];
  return {
    ...minter,
    mint: (tx, call, context, request) =>
      minter.mint(tx, call, context, { ...request, grants: and(request.grants) as GrantId[] }),
    // What goes to another domain carries no handles, and is over in minutes.
    state: (tx, call, context, request) => {
      if (request.kind !== 'transaction_token') return minter.state(tx, call, context, request);
      const { handles } = request;
      return minter.state(tx, call, context, { ...request, handles: { ...handles, grants: and(handles.grants) } });
    },
  };
}
