import { Refusal } from '@mono-auth/core/errors';
import { deviceAuthorizations } from '@mono-auth/grants';
import { intersectScope } from '@mono-auth/minting';
import { chooseAudience, requireEnvironment } from './audience.ts';
import { withGrantSession } from './authenticate-in-transaction.ts';
import { requireGrantType, underCeiling } from './ceilings.ts';
import type { TokenDeps } from './deps.ts';
import type { FormRequest, GrantSession } from './grant-session.ts';
import { readScope } from './scope.ts';
import { readTarget } from './target.ts';

/** RFC 8628 §3.2. */
export interface DeviceResponse {
  readonly device_code: string;
  readonly user_code: string;
  readonly verification_uri: string;
  readonly verification_uri_complete: string;
  readonly expires_in: number;
  readonly interval: number;
}

/** RFC 8628 §3.1: a device asks for a code that its person decides about elsewhere. */
export async function authorizeDevice(deps: TokenDeps, request: FormRequest): Promise<DeviceResponse> {
  const work = async (session: GrantSession): Promise<DeviceResponse> => {
    const { tx, tenant, client, dpopJkt, instance, attempt } = session;
    requireGrantType(session, 'urn:ietf:params:oauth:grant-type:device_code');
    const scopes = requestedScope(session);
    const resources = await requestedResources(session);
    attempt.changed = true;
    const started = await deviceAuthorizations.startDeviceAuthorization(tx, deps.runtime, {
      ...{ clientId: client.id, scopes, resources, dpopJkt: dpopJkt ?? instance?.jkt },
      userCodeKey: deps.userCodeKey(tenant.id),
    });
    const page = `${tenant.issuer}/device`;
    return {
      device_code: started.deviceCode,
      user_code: started.userCode,
      verification_uri: page,
      verification_uri_complete: `${page}?user_code=${started.userCode}`,
      expires_in: started.expiresInSeconds,
      interval: started.intervalSeconds,
    };
  };
  return withGrantSession(deps, request, work, { changesRows: true });
}

/** RFC 6749 §3.3: all that the client has by default; what it has not is refused, not dropped. */
function requestedScope({ form, client, ceilings }: GrantSession): readonly string[] {
  const held = underCeiling(ceilings, client.scopes);
  const asked = readScope(form) ?? held;
  if (asked.length > 0 && intersectScope(asked, held).length === asked.length) return asked;
  throw new Refusal('invalid_scope', 'scope: has values that this client does not hold');
}

/** RFC 8707 §2: named now, because the person decides about it. */
async function requestedResources(session: GrantSession): Promise<string[]> {
  const target = readTarget(session.form);
  if (target === undefined) {
    // What would be refused in the end is refused before a person is asked.
    await chooseAudience(session, undefined, []);
    return [];
  }
  if (!session.client.audiences.includes(target)) {
    throw new Refusal('invalid_target', 'resource: not one of this client');
  }
  return [(await requireEnvironment(session, target)).identifier];
}
