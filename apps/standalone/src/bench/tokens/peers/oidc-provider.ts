import { createServer } from 'node:http';
import { exportJWK, generateKeyPair, importJWK, type JWTPayload, jwtVerify } from 'jose';
import Provider, { errors, type GrantContext, type ResourceServerInfo } from 'oidc-provider';
import { accessTokenType, grants } from '../contestant.ts';
import { type PeerAnswer, readTask, tokenTtlSeconds } from './peer-task.ts';

/** oidc-provider as it stands beside us: everything in memory, nothing recorded, ES256. */

const { clientId, clientSecret, target, scope } = readTask();

const info: ResourceServerInfo = {
  ...{ scope, audience: target, accessTokenFormat: 'jwt', accessTokenTTL: tokenTtlSeconds },
  jwt: { sign: { alg: 'ES256' } },
};
const { privateKey } = await generateKeyPair('ES256', { extractable: true });
const privateJwk = { ...(await exportJWK(privateKey)), kid: 'bench', alg: 'ES256', use: 'sig' };
const { d: _, ...publicJwk } = privateJwk;
const verificationKey = await importJWK(publicJwk, 'ES256');

// The issuer names the port, so the port comes first.
const server = createServer();
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
const address = server.address();
if (address === null || typeof address === 'string') throw new Error('the peer has no port');
const issuer = `http://127.0.0.1:${address.port}`;

const provider = new Provider(issuer, {
  jwks: { keys: [privateJwk] },
  scopes: [scope],
  clientAuthMethods: ['client_secret_basic'],
  clients: [
    {
      ...{ client_id: clientId, client_secret: clientSecret, token_endpoint_auth_method: 'client_secret_basic' },
      ...{ grant_types: [...Object.values(grants)], redirect_uris: [], response_types: [], scope },
      id_token_signed_response_alg: 'ES256',
    },
  ],
  // RFC 8693 §4.1, of what `exchange` makes.
  extraTokenClaims: ({ oidc: { client, params } }) =>
    params.grant_type === grants.tokenExchange ? { act: { sub: client.clientId } } : undefined,
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    resourceIndicators: { enabled: true, getResourceServerInfo: () => info },
  },
});

/** RFC 8693 as little as it can be done honestly: the subject token is verified, the scope intersects, `act` is the client. */
async function exchange(context: GrantContext): Promise<void> {
  const { client, params } = context.oidc;
  const { subject_token: subjectToken, subject_token_type: type, resource } = params;
  if (subjectToken === undefined || type !== accessTokenType) {
    throw new errors.InvalidRequest('subject_token and its type are required');
  }
  if (resource !== target) throw new errors.InvalidTarget();
  const subject = await verify(subjectToken);
  const held = new Set(String(subject.scope ?? '').split(' '));
  const requested = params.scope ?? scope;
  if (!requested.split(' ').every((value) => held.has(value))) {
    throw new errors.InvalidScope('more than the subject token has', requested);
  }
  const accountId = String(subject.sub);
  const token = new provider.AccessToken({ client, accountId, scope: requested, gty: grants.tokenExchange });
  token.resourceServer = new provider.ResourceServer(target, info);
  context.body = {
    access_token: await token.save(),
    issued_token_type: accessTokenType,
    ...{ token_type: token.tokenType, expires_in: token.expiration, scope: token.scope },
  };
}

async function verify(token: string): Promise<JWTPayload> {
  try {
    const expected = { issuer, audience: target, typ: 'at+jwt', algorithms: ['ES256'] };
    return (await jwtVerify(token, verificationKey, expected)).payload;
  } catch {
    throw new errors.InvalidGrant('subject_token is not good');
  }
}

const parameters = ['subject_token', 'subject_token_type', 'resource', 'scope'];
provider.registerGrantType(grants.tokenExchange, exchange, parameters);
server.on('request', provider.callback());
const answer: PeerAnswer = {
  ...{ origin: issuer, issuer, tokenPath: '/token', jwksPath: '/jwks' },
  client: { id: clientId, secret: clientSecret },
};
process.stdout.write(`${JSON.stringify(answer)}\n`);
