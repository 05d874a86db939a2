import { openTestDatabase, testKek } from '@mono-auth/testing';
import { decodeJwt } from 'jose';
import * as oauth from 'oauth4webapi';
import * as client from 'openid-client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  exchange,
  type FederationScene,
  jwtBearer,
  openFederation,
  signInAtIdp,
  tokenType,
} from './federation-scene.ts';
import { ordersApi } from './oauth-scene.ts';

let scene: FederationScene;
let wanted: Record<string, string>;

beforeAll(async () => {
  scene = await openFederation(await openTestDatabase(), testKek);
  const { id_token } = await signInAtIdp(scene);
  wanted = {
    requested_token_type: tokenType('id-jag'),
    ...{ subject_token: id_token, subject_token_type: tokenType('id_token') },
    ...{ audience: scene.home.issuer, resource: ordersApi },
  };
});
afterAll(() => scene?.home.close());

describe('a stock client asks for an ID-JAG at one tenant and redeems it at the other', () => {
  test('openid-client by its generic grant', async () => {
    const { home, idp, client: here, clientAtIdp } = scene;
    const loopback = { execute: [client.allowInsecureRequests] };
    const [there, at] = [client.ClientSecretPost(clientAtIdp.secret), client.ClientSecretBasic(here.secret)];
    const idpConfig = await client.discovery(new URL(idp.issuer), clientAtIdp.id, undefined, there, loopback);
    const config = await client.discovery(new URL(home.issuer), here.id, undefined, at, loopback);
    const idJag = await client.genericGrantRequest(idpConfig, exchange, wanted);
    expect(idJag).toMatchObject({ token_type: 'n_a', issued_token_type: tokenType('id-jag'), expires_in: 300 });
    const tokens = await client.genericGrantRequest(config, jwtBearer, { assertion: idJag.access_token });
    expect(decodeJwt(tokens.access_token)).toMatchObject({ sub: scene.subjectAtHome, aud: ordersApi });
  });

  test('oauth4webapi by its generic request', async () => {
    const { home, idp, client: here, clientAtIdp } = scene;
    const loopback = { [oauth.allowInsecureRequests]: true };
    const find = async (issuer: string) =>
      oauth.processDiscoveryResponse(new URL(issuer), await oauth.discoveryRequest(new URL(issuer), loopback));
    const ask = async (
      { as, id, auth }: { as: oauth.AuthorizationServer; id: string; auth: oauth.ClientAuth },
      grant: string,
      form: Record<string, string>,
    ) => {
      const answer = await oauth.genericTokenEndpointRequest(as, { client_id: id }, auth, grant, form, loopback);
      return oauth.processGenericTokenEndpointResponse(as, { client_id: id }, answer, {
        recognizedTokenTypes: { n_a: () => undefined },
      });
    };
    const atIdp = { as: await find(idp.issuer), id: clientAtIdp.id, auth: oauth.ClientSecretPost(clientAtIdp.secret) };
    const atHome = { as: await find(home.issuer), id: here.id, auth: oauth.ClientSecretBasic(here.secret) };
    const { access_token: assertion } = await ask(atIdp, exchange, wanted);
    const tokens = await ask(atHome, jwtBearer, { assertion });
    expect(decodeJwt(tokens.access_token)).toMatchObject({ sub: scene.subjectAtHome, aud: ordersApi });
  });
});
