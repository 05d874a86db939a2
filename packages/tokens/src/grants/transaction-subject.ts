import { Refusal } from '@mono-auth/core/errors';
import type { Actor } from '@mono-auth/core/principal';
import { actorChain, parseScope } from '@mono-auth/core/token-claims';
import { verifyJwt } from '@mono-auth/keys';
import { handlesOf, statementKinds, type TransactionStart } from '@mono-auth/minting';
import { decodeProtectedHeader } from 'jose';
import * as z from 'zod';
import { actor, principal } from '../access-token.ts';
import { required } from '../form.ts';
import type { GrantSession } from '../grant-session.ts';
import { requireLivePrincipals } from '../live-principals.ts';

const record = z.record(z.string(), z.unknown());
const claims = z.object({
  sub: principal,
  exp: z.int().positive(),
  jti: z.string().min(1),
  txn: z.string().min(1),
  scope: z.string(),
  client_id: z.string().min(1),
  act: actor.optional(),
  rctx: record.optional(),
  tctx: record.optional(),
  sid: z.string().optional(),
  grants: z.array(z.string()).optional(),
  pjti: z.array(z.string()).optional(),
  pcid: z.array(z.string()).optional(),
  ep: z.int().positive(),
  fs: z.int().nonnegative(),
});

/**
 * A transaction token of ours that is to be replaced (§7.3): the replacement keeps transaction, subject, audience and contexts,
 * holds no more, and ends no later. It hangs on the one that it replaces, and on all that that one hung on.
 * @throws Refusal `invalid_request`.
 */
export async function readTransaction(session: GrantSession): Promise<TransactionStart> {
  for (const name of ['request_context', 'request_details', 'actor_token', 'actor_token_type']) {
    if (session.form.get(name) !== undefined) {
      throw new Refusal('invalid_request', `${name}: a replacement keeps what its transaction has`);
    }
  }
  const token = required(session.form, 'subject_token');
  const said = await verify(session, token);
  const act = said.act as Actor | undefined;
  await requireLivePrincipals(session.tx, [said.sub, ...actorChain(act)], said.sub);
  return {
    ...{ txn: said.txn, subject: said.sub, act, rctx: said.rctx, tctx: said.tctx },
    ...{ scope: parseScope(said.scope) ?? [], notAfter: said.exp },
    handles: handlesOf(said),
  };
}

async function verify({ deps, tx, tenant }: GrantSession, token: string): Promise<z.infer<typeof claims>> {
  const kid = kidOf(token);
  const payload = await verifyJwt<unknown>(token, await deps.keys.publicKeys(tx, 'token', kid), {
    typ: statementKinds.transaction_token.typ,
    ...{ issuer: tenant.issuer, audience: tenant.issuer, nowMs: deps.runtime.nowMs() },
  }).catch((cause: unknown) => {
    throw cause instanceof Refusal ? refuse(cause) : cause;
  });
  const read = claims.safeParse(payload);
  if (!read.success) throw refuse(read.error);
  if ((await deps.feed.stateIn(tx)).isRevoked({ ...read.data, kid }).revoked) throw refuse('it was revoked');
  return read.data;
}

function refuse(cause: unknown): Refusal {
  return new Refusal('invalid_request', 'subject_token: is no transaction token that is good now', { cause });
}

/** Undefined when the header cannot be read, which is for `verifyJwt` to refuse. */
function kidOf(token: string): string | undefined {
  try {
    return decodeProtectedHeader(token).kid;
  } catch {
    return undefined;
  }
}
