import { createHash } from 'node:crypto';
import { base64url, utf8 } from '@mono-auth/core/encoding';
import type { Browser } from '../browser.ts';

export const redirectUri = 'https://app.example/cb';
export const challenge = base64url(
  createHash('sha256')
    .update(utf8('v'.repeat(43)))
    .digest(),
);

/** A request that nothing is wrong with, with what a test changes; undefined takes a parameter out. */
export const authorizePathOf =
  (slug: string) =>
  (clientId: string, changed: Record<string, string | undefined> = {}): string => {
    const params = {
      response_type: 'code',
      client_id: clientId,
      redirect_uri: redirectUri,
      scope: 'openid orders:read',
      state: 'st+a te%/',
      code_challenge: challenge,
      code_challenge_method: 'S256',
      ...changed,
    };
    const given = Object.entries(params).filter((entry): entry is [string, string] => entry[1] !== undefined);
    return `/t/${slug}/oauth2/authorize?${new URLSearchParams(given)}`;
  };

export const fieldIn = (page: string, name: string): string =>
  new RegExp(`name="${name}" value="([^"]*)"`).exec(page)?.[1]?.replaceAll('&amp;', '&') ?? '';
export const actionIn = (page: string): string => (/action="([^"]+)"/.exec(page)?.[1] ?? '').replaceAll('&amp;', '&');

/** Where an answer sends the browser, with the parameters that it gives. */
export function answerOf(response: Response): { to: string; params: Record<string, string> } {
  const location = response.headers.get('location') ?? '';
  const [to = '', search = ''] = location.split('?', 2);
  return { to, params: Object.fromEntries(new URLSearchParams(search)) };
}

/** Posts the decision of a consent page that the browser is sent to. */
export async function decide(
  browser: Browser,
  response: Response,
  decision: string,
  changed: Record<string, string> = {},
  headers: Record<string, string> = {},
): Promise<Response> {
  const page = await (await browser.get(response.headers.get('location') ?? '')).text();
  const form = { form_token: fieldIn(page, 'form_token'), decision, ...changed };
  return browser.post(actionIn(page), new URLSearchParams(form).toString(), headers);
}
