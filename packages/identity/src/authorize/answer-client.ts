import type { Refusal } from '@mono-auth/core/errors';
import type { Tenant } from '@mono-auth/tenants';
import { withAnswer } from './redirect-uri.ts';

/** The client's redirect URI with an answer, `state` as it came, and who answers (RFC 9207 §2). */
export function answerUri(
  tenant: Pick<Tenant, 'issuer'>,
  redirectUri: string,
  state: string | undefined,
  answer: { readonly code: string } | Refusal,
): string {
  const told = 'code' in answer ? { code: answer.code } : { error: answer.row.oauth, error_description: plain(answer) };
  return withAnswer(redirectUri, { ...told, state, iss: tenant.issuer });
}

/** RFC 6749 §4.1.2.1 allows printable ASCII without quote and backslash. */
function plain({ detail }: Refusal): string {
  return detail.replace(/[^\x20-\x21\x23-\x5b\x5d-\x7e]/g, '?');
}

/** 303, so that a browser never posts again what it posted to us (RFC 9700 §4.12). */
export function seeOther(location: string): Response {
  return new Response(null, {
    status: 303,
    headers: { location, 'cache-control': 'no-store', 'referrer-policy': 'no-referrer' },
  });
}
