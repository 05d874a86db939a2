import { createHmac } from 'node:crypto';
import { base64url, equalBytes, utf8 } from '@mono-auth/core/encoding';
import type { TenantId } from '@mono-auth/core/ids';

/** What we know of a request that went to the sign-in page and comes back. */
export interface ResumeMark {
  /** When we sent the person away: who has signed in since then has answered `prompt=login` and `max_age`. */
  readonly sentAtMs: number;
  /** Whether the client had pushed the request (RFC 9126). */
  readonly pushed: boolean;
}

/** Never sent by a client: what comes under this name counts only with our signature over the whole request. */
export const resumeParam = 'mono_resume';

/** How long a person may take to sign in, milliseconds: afterwards the request starts anew. */
const resumeTtlMs = 60 * 60_000;

const markPattern = /^(\d{1,15})\.([01])\.([A-Za-z0-9_-]{43})$/;

export function signResume(key: Uint8Array, tenantId: TenantId, request: URLSearchParams, mark: ResumeMark): string {
  const facts = `${mark.sentAtMs}.${mark.pushed ? 1 : 0}`;
  return `${facts}.${base64url(digest(key, tenantId, request, facts))}`;
}

/** @returns undefined when there is none, or none of ours for exactly this request, or no more. */
export function readResume(
  key: Uint8Array,
  tenantId: TenantId,
  query: URLSearchParams,
  nowMs: number,
): ResumeMark | undefined {
  const [text = '', ...others] = query.getAll(resumeParam);
  const [, sentAt, pushed, signature] = markPattern.exec(text) ?? [];
  if (others.length > 0 || signature === undefined) return undefined;
  const expected = base64url(digest(key, tenantId, withoutResume(query), `${sentAt}.${pushed}`));
  if (!equalBytes(utf8(expected), utf8(signature))) return undefined;
  if (nowMs - Number(sentAt) > resumeTtlMs) return undefined;
  return { sentAtMs: Number(sentAt), pushed: pushed === '1' };
}

export function withoutResume(query: URLSearchParams): URLSearchParams {
  const rest = new URLSearchParams(query);
  rest.delete(resumeParam);
  return rest;
}

function digest(key: Uint8Array, tenantId: TenantId, request: URLSearchParams, facts: string): Uint8Array {
  return createHmac('sha256', key).update(`authorize|${tenantId}|${facts}|${request}`).digest();
}
