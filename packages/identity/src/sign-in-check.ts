import { Refusal } from '@mono-auth/core/errors';
import { newId } from '@mono-auth/core/ids';
import type { Tenant } from '@mono-auth/tenants';
import type { IdentityContext, Origin } from './context.ts';
import { handleAuth } from './handle-auth.ts';
import type { Credentials } from './sign-in.ts';

/**
 * Signs in through the front door, asks for a token with the cookie, has it verified, signs out: what a person's first
 * minute needs. Verified before the end of the session, which ends the token as well.
 */
export async function checkSignIn(
  context: IdentityContext,
  tenant: Tenant,
  credentials: Credentials,
  verify: (accessToken: string) => Promise<unknown>,
): Promise<void> {
  const origin: Origin = { requestId: newId(context.runtime, 'req'), ip: '' };
  const post = async (path: string, body: object, cookie = ''): Promise<Response> => {
    const headers = { 'content-type': 'application/json', ...(cookie && { cookie }) };
    const request = new Request(`${tenant.issuer}/auth${path}`, {
      method: 'POST',
      headers,
      body: JSON.stringify(body),
    });
    const response = await handleAuth(context, tenant, request, origin);
    if (!response.ok) throw new Refusal('unavailable', `the check of ${path} failed`, { cause: await response.text() });
    return response;
  };
  const signedIn = await post('/sign-in/email', credentials);
  const cookie = signedIn.headers
    .getSetCookie()
    .map((line) => line.split(';', 1)[0])
    .join('; ');
  const { access_token } = (await (await post('/token', {}, cookie)).json()) as { access_token: string };
  await verify(access_token);
  await post('/sign-out', {}, cookie);
}
