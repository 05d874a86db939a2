import { createHash } from 'node:crypto';
import { base64url, utf8 } from '@mono-auth/core/encoding';
import { idFromUuid, type SessionId, type UserId } from '@mono-auth/core/ids';
import { parseScope } from '@mono-auth/core/token-claims';
import type { IdentityPool } from '@mono-auth/database';
import * as z from 'zod';
import { deleteCode, selectCode } from './store.ts';

/** What stands behind an authorization code. Reading it uses nothing up. */
export interface AuthorizationCode {
  /** SHA-256 of the code, base64url. */
  readonly codeId: string;
  /** As the client calls itself: its id, or the URL of its metadata document. */
  readonly clientName: string;
  readonly redirectUri: string;
  readonly codeChallenge: string;
  readonly userId: UserId;
  readonly sessionId: SessionId;
  readonly scopes: readonly string[];
  readonly resources: readonly string[];
  readonly nonce: string | undefined;
  readonly authTimeMs: number;
  readonly dpopJkt: string | undefined;
  readonly expiresAtMs: number;
}

/** The row as the oauth-provider writes it. */
const codeValue = z.object({
  type: z.literal('authorization_code'),
  query: z.object({
    client_id: z.string(),
    redirect_uri: z.string(),
    code_challenge: z.string(),
    code_challenge_method: z.literal('S256'),
    scope: z.string(),
    nonce: z.string().optional(),
    dpop_jkt: z.string().optional(),
  }),
  userId: z.string(),
  sessionId: z.string(),
  authTime: z.number(),
  resource: z.array(z.string()),
});

/** The oauth-provider's codes; anything else is looked up by nobody. */
const codePattern = /^[A-Za-z0-9]{32}$/;

/**
 * @returns undefined when this tenant knows no such code. An expired one is still answered, and one of a client that is
 * approved no more: who redeems it decides. Nothing else is looked up, so that a code that exists and one that never was
 * take equally long.
 */
export async function readAuthorizationCode(pool: IdentityPool, code: string): Promise<AuthorizationCode | undefined> {
  if (!codePattern.test(code)) return undefined;
  const codeId = codeIdOf(code);
  const stored = await selectCode(pool, codeId);
  const parsed = stored && codeValue.safeParse(parseJson(stored.value));
  if (!stored || !parsed?.success) return undefined;
  const { query, userId, sessionId, authTime, resource } = parsed.data;
  return {
    codeId,
    clientName: query.client_id,
    redirectUri: query.redirect_uri,
    codeChallenge: query.code_challenge,
    userId: idFromUuid('usr', userId),
    sessionId: idFromUuid('ses', sessionId),
    scopes: parseScope(query.scope) ?? [],
    resources: resource,
    nonce: query.nonce,
    authTimeMs: authTime,
    dpopJkt: query.dpop_jkt,
    expiresAtMs: stored.expiresAt.getTime(),
  };
}

/** Deletes the row of a code that was redeemed: tidiness, not the guarantee that it works once. */
export async function forgetAuthorizationCode(pool: IdentityPool, code: string): Promise<void> {
  if (codePattern.test(code)) await deleteCode(pool, codeIdOf(code));
}

function codeIdOf(code: string): string {
  return base64url(createHash('sha256').update(utf8(code)).digest());
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
