import { systemRuntime as runtime } from '@mono-auth/core/runtime';
import { Person } from '../../tour/person.ts';
import { connectRows } from './connect-rows.ts';
import {
  askForOwnToken,
  askToExchange,
  basic,
  type Contestant,
  formRequest,
  type Load,
  type Served,
  scope,
  tokenOfForm,
} from './contestant.ts';
import type { Installation } from './installation.ts';
import { seedKeyedClient, seedSecretClient } from './seed-clients.ts';

/** A subject token is made anew before it is this old, milliseconds: a person's lives ten minutes. */
const subjectAgeMsMax = 120_000;

/** What the rows of one tenant have in their names, for the ratios. */
export const ourNames = {
  ownByBasic: 'client_credentials, client_secret_basic',
  ownByPost: 'client_credentials, client_secret_post',
  ownByAssertion: 'client_credentials, private_key_jwt',
  exchangeByBasic: 'token exchange, client_secret_basic',
  exchangeByAssertion: 'token exchange, private_key_jwt',
} as const;

/** The rows of a server whose first tenant alone is used. */
export async function ourRows(installation: Installation, server: Served): Promise<Contestant[]> {
  const { database, baseUrl, operator } = installation;
  const tenant = await installation.firstTenant();
  const byBasic = await seedSecretClient(database, tenant.id, 'client_secret_basic');
  const byPost = await seedSecretClient(database, tenant.id, 'client_secret_post');
  const keyed = await seedKeyedClient(database, tenant.id);
  const person = await Person.signIn(baseUrl, tenant.slug, operator.email, operator.password);
  const subjectToken = keepFresh(() => person.token({ audience: tenant.issuer, scope }));

  const path = `${new URL(tenant.issuer).pathname}/oauth2/token`;
  const issuers = new Map([[tenant.issuer, new URL(`${tenant.issuer}/jwks`)]]);
  const row = (name: string, prepare: Contestant['prepare']): Contestant => ({
    ...{ name, server, prepare, issuers },
    tokenOf: tokenOfForm,
  });
  const always = (...request: Parameters<typeof formRequest>): Load => ({ requests: [formRequest(...request)] });
  const asserted = (fields: Record<string, string>, count: number): Load => {
    const assertions = { clientId: keyed.id, audience: tenant.issuer, privateJwk: keyed.privateJwk, count };
    return { ...always(path, fields), assertions };
  };
  const post = { client_id: byPost.id, client_secret: byPost.secret };
  return [
    row(ourNames.ownByBasic, async () => always(path, askForOwnToken, basic(byBasic))),
    row(ourNames.ownByPost, async () => always(path, { ...askForOwnToken, ...post })),
    row(ourNames.ownByAssertion, async (count) => asserted(askForOwnToken, count)),
    row(ourNames.exchangeByBasic, async () => always(path, askToExchange(await subjectToken()), basic(byBasic))),
    row(ourNames.exchangeByAssertion, async (count) => asserted(askToExchange(await subjectToken()), count)),
    ...connectRows({ tenant, server, issuers, subjectToken, client: byBasic }),
  ];
}

function keepFresh(make: () => Promise<string>): () => Promise<string> {
  let kept: { token: string; madeMs: number } | undefined;
  return async () => {
    if (!kept || runtime.monotonicMs() - kept.madeMs > subjectAgeMsMax) {
      kept = { token: await make(), madeMs: runtime.monotonicMs() };
    }
    return kept.token;
  };
}
