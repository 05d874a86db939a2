import { platformSlug } from '@mono-auth/core/tenant-slug';
import { TenantService } from '@mono-auth/proto/monoauth/tenants/v1/tenants';
import { createRemoteJWKSet, decodeJwt, jwtVerify } from 'jose';
import { Person } from './person.ts';
import { hold, need, type Step } from './scene.ts';

/** What interfaces promise for provisioning. */
const provisionMsMax = 5_000;

export const tenantSteps: readonly Step[] = [
  {
    title: 'The operator signs in at the platform and provisions a tenant',
    async tell(scene) {
      const { baseUrl, operator, telling } = scene;
      const signedIn = await Person.signIn(baseUrl, platformSlug, operator.email, operator.password);
      const tenants = await signedIn.rpc(TenantService);
      const { tenant, steps } = await tenants.provisionTenant({
        slug: telling,
        displayName: `Tour ${telling}`,
        ownerEmail: operator.email,
        ownerPassword: operator.password,
      });
      if (!tenant) throw new Error('no tenant came back');
      const took = steps.reduce((sum, { durationMs }) => sum + durationMs, 0);
      hold(took <= provisionMsMax, `provisioned within ${provisionMsMax} ms (took ${took.toFixed(0)})`);
      scene.made.tenant = { id: tenant.id, slug: tenant.slug, issuer: tenant.issuer };
      const parts = steps.map(({ step, durationMs }) => `${step} ${durationMs.toFixed(0)} ms`).join(', ');
      return [`${tenant.slug} = ${tenant.id}`, `ready in ${took.toFixed(0)} ms: ${parts}`];
    },
  },
  {
    title: 'A person signs in through the hosted page; a stock jose client verifies the token',
    async tell(scene) {
      const { issuer, slug, id } = need(scene, 'tenant');
      const owner = await Person.signIn(scene.baseUrl, slug, scene.operator.email, scene.operator.password);
      const token = await owner.token();
      const discovery = (await (await fetch(`${issuer}/.well-known/openid-configuration`)).json()) as {
        jwks_uri: string;
      };
      const keys = createRemoteJWKSet(new URL(discovery.jwks_uri));
      const { payload } = await jwtVerify(token, keys, { issuer, audience: `${issuer}/rpc`, typ: 'at+jwt' });
      hold(payload.tenant_id === id, 'the token carries the tenant');
      scene.made.owner = owner;
      return [`sub ${payload.sub} · role ${decodeJwt(token).tenant_role} · sid ${payload.sid}`];
    },
  },
];
