import { Refusal } from '@mono-auth/core/errors';
import { newId } from '@mono-auth/core/ids';
import { deviceAuthorizations } from '@mono-auth/grants';
import { required } from '../form.ts';
import { hasProven } from '../grant-session.ts';
import { requireLiveSession, requireMember } from '../live-grant.ts';
import { beginPersonGrant } from './begin-person-grant.ts';
import type { Grant } from './grant.ts';
import { decidePersonToken } from './person-token.ts';

/** RFC 8628 §3.4: a device asks again and again, until somebody has decided on another one. */
export const deviceCode: Grant = {
  grantType: 'urn:ietf:params:oauth:grant-type:device_code',
  changesRows: true,
  async handle(session) {
    const { deps, tx, form, client, attempt } = session;
    const asked = { deviceCode: required(form, 'device_code'), clientId: client.id };
    const device = await deviceAuthorizations.pollDeviceAuthorization(tx, deps.runtime, asked);
    const { userId, sessionId, authTimeMs } = device.decision;
    attempt.subject = `user:${userId}`;
    if (device.dpopJkt !== undefined && !hasProven(session, device.dpopJkt)) throw invalidCode();
    const state = await requireLiveSession(session, userId, sessionId);
    const role = await requireMember(session, userId);
    const { scopes, resources } = device;
    const token = await decidePersonToken(session, { userId, role, scopes, resources });
    const grantId = newId(deps.runtime, 'gra');
    if (!(await deviceAuthorizations.takeDeviceAuthorization(tx, device, grantId))) throw invalidCode();
    attempt.changed = true;
    const allowed = { grantId, sessionId, session: state, scopes, resources, authTimeMs, nonce: undefined };
    return beginPersonGrant(session, token, allowed);
  },
};

function invalidCode(): Refusal {
  return new Refusal('invalid_grant', 'device_code: is not valid');
}
