import { systemRuntime } from '@mono-auth/core/runtime';
import { type AccessTokenClaims, actorChain } from '@mono-auth/core/token-claims';
import { FeedService } from '@mono-auth/proto/monoauth/feed/v1/feed';
import { RevocationService } from '@mono-auth/proto/monoauth/revocation/v1/revocation';
import { decodeJwt } from 'jose';
import { hold, need, ordersResource, type Scene, type Step } from './scene.ts';

/** How long the operator waits for every enforcement point, milliseconds: longer than the default lease. */
const waitMs = 15_000;

export const delegationSteps: readonly Step[] = [
  {
    title: "The agent exchanges the person's token for one that carries both",
    async tell(scene) {
      const { issuer } = need(scene, 'tenant');
      const owner = need(scene, 'owner');
      const host = need(scene, 'hostCredentials');
      scene.made.subjectToken = await owner.token({ audience: issuer, scope: 'orders:read orders:write' });
      const agent = await host.getToken({ agent: need(scene, 'agentId') });
      const { accessToken } = await host.exchange({
        subjectToken: scene.made.subjectToken,
        actorToken: agent,
        audience: ordersResource(scene),
        scope: ['orders:read'],
      });
      const claims = decodeJwt<AccessTokenClaims>(accessToken);
      const subject = decodeJwt<AccessTokenClaims>(scene.made.subjectToken);
      const chain = actorChain(claims.act);
      hold(claims.sub === subject.sub, 'sub is the person');
      hold(chain[0] === `agent:${need(scene, 'agentId')}`, 'act is the agent');
      hold(chain[1] === `host:${need(scene, 'host').enrolled.hostId}`, 'act.act is the host');
      hold(claims.scope === 'orders:read', 'scope is the intersection');
      hold(claims.exp <= subject.exp, 'it does not outlive the token it was made from');
      hold(claims.pjti?.includes(subject.jti) === true, 'it names its ancestors');
      scene.made.delegatedToken = accessToken;
      return [
        `chain: ${claims.sub} ← ${chain.join(' ← ')}`,
        `jti ${claims.jti} · scope "${claims.scope}" · ${claims.exp - claims.iat} s · fs ${claims.fs} · policy ${claims.pv} · decision ${claims.did}`,
      ];
    },
  },
  {
    title: 'The service verifies it locally and decides from its policy snapshot',
    async tell(scene) {
      const read = await order(scene, 'GET');
      hold(read.status === 200, `reading is allowed (${read.status})`);
      const write = await order(scene, 'POST');
      hold(write.status === 403, `writing is beyond the scope (${write.status})`);
      const nobody = await fetch(`${need(scene, 'orders').url}/orders/42`);
      hold(nobody.status === 401, `no token is refused (${nobody.status})`);
      return [`GET 200 ${await read.text()}`, `POST 403 ${await write.text()}`, 'without a token 401'];
    },
  },
  {
    title: 'The operator revokes the host; every enforcement point refuses its descendants and says so',
    async tell(scene) {
      const revocations = await need(scene, 'owner').rpc(RevocationService);
      const hostId = need(scene, 'host').enrolled.hostId;
      const { subscribers } = await (await need(scene, 'owner').rpc(FeedService)).listSubscribers({});
      const started = systemRuntime.monotonicMs();
      const { revocation, receipt } = await revocations.revoke({
        target: { target: { case: 'hostId', value: hostId } },
        reason: 'end of the tour',
        waitMs,
      });
      const tookMs = systemRuntime.monotonicMs() - started;
      const refused = await order(scene, 'GET');
      const all = subscribers.length;
      hold(all > 0 && receipt?.registered === all && receipt.enforced === all, `enforced at ${all} of ${all}`);
      hold(refused.status === 401, `the service refuses the token (${refused.status})`);
      const again = await need(scene, 'hostCredentials')
        .exchange({ subjectToken: need(scene, 'subjectToken'), audience: ordersResource(scene) })
        .catch((error) => error);
      hold(again instanceof Error, 'the host gets no further token');
      const died = revocation?.casualties.map(({ kind, count }) => `${count} ${kind}`).join(', ');
      return [
        `${revocation?.id}: enforced at ${receipt?.enforced} of ${receipt?.registered}, feed entry ${receipt?.feedSeq}, answered after ${tookMs.toFixed(0)} ms`,
        `with the host died: ${died}`,
        `the service now answers 401, the token endpoint "${again.message}"`,
      ];
    },
  },
];

function order(scene: Scene, method: string): Promise<Response> {
  const headers = { authorization: `Bearer ${need(scene, 'delegatedToken')}` };
  return fetch(`${need(scene, 'orders').url}/orders/42`, { method, headers });
}
