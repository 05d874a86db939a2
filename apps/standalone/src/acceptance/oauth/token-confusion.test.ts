import type { JsonObject } from '@bufbuild/protobuf';
import { openTestDatabase, testKek } from '@mono-auth/testing';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { enrolPlainly, redemptionOf } from '../enrol-plainly.ts';
import { makeKey, postRpc } from '../plain-client.ts';
import {
  type AttestationScene,
  attest,
  attested,
  provePossession,
  registerAttested,
  setClientAttestation,
  vouches,
} from './attestation-scene.ts';
import {
  assertPerson,
  exchange,
  jwtBearer,
  link,
  playIssuer,
  redeeming,
  setIdJag,
  tokenType,
} from './federation-scene.ts';
import { receiveLogout } from './logout-receiver.ts';
import { ask, send } from './negative/ask.ts';
import { assertionType, authenticated, type Lab, openLab, redemption } from './negative/lab.ts';
import { ordersApi, type RegisteredClient, registerApp } from './oauth-scene.ts';

let lab: Lab;
/** Every kind of JWT that is signed here or for us, by what it is. */
const kinds = new Map<string, string>();

beforeAll(async () => {
  lab = await openLab(await openTestDatabase(), testKek);
  const { scene, app, keyed } = lab;
  const { issuer, ownerToken } = scene;
  const { body: tokens } = await send(await redemption(lab, app));
  const api = await send(await redemption(lab, app, { resource: ordersApi }));
  const invite = await scene.rpc('machines.v1.MachineService/CreateInvite', {
    hostName: 'fra-1',
    scopes: ['orders:read'],
  });
  const second = await scene.rpc('machines.v1.MachineService/CreateInvite', { hostName: 'fra-2' });
  const host = await enrolPlainly(issuer, String(second.token));
  const snapshot = await scene.rpc('policy.v1.PolicyService/GetSnapshot', {});
  const subscriber = await scene.rpc('feed.v1.FeedService/Register', { name: 'confused' });
  const introspection = ask(issuer, '/oauth2/introspect', { token: String(api.body.access_token) });
  introspection.headers.set('accept', 'application/token-introspection+jwt');
  const gateway = await scene.owner.token({ use: 'gateway' });
  const assertion = { iss: keyed.id, sub: keyed.id, aud: issuer };
  for (const [kind, token] of Object.entries({
    'access token': ownerToken,
    'access token of an API': String(api.body.access_token),
    'access token of the gateway': gateway,
    'ID token': String(tokens.id_token),
    'logout token': await receiveLogout(scene),
    invite: String(invite.token),
    'join state': host.joinState,
    'policy statement': String(snapshot.statement),
    'feed key certificate': String(subscriber.feedKeyCertificate),
    'introspection answer': (await send(authenticated(introspection, app))).text,
    'client assertion': await keyed.key.sign('client-authentication+jwt', assertion),
    'host proof': await host.client.key.sign('mono-proof+jwt', { aud: issuer, nonce: 'n' }),
  })) {
    kinds.set(kind, token);
  }
});
afterAll(() => lab?.scene.close());

/** Every place where a JWT is read, the kind that it is for, and whether it took this one. */
const verifiers: readonly {
  readonly name: string;
  readonly takes: readonly string[];
  readonly accepts: (token: string) => Promise<boolean>;
}[] = [
  {
    name: 'the management API',
    takes: ['access token'],
    accepts: async (token) =>
      (await postRpc(lab.scene.issuer, 'monoauth.tenants.v1.TenantService/GetTenant', {}, token)).status === 200,
  },
  {
    name: 'introspection',
    takes: ['access token of an API'],
    accepts: async (token) => {
      const request = ask(lab.scene.issuer, '/oauth2/introspect', { token });
      return (await send(authenticated(request, lab.app))).body.active === true;
    },
  },
  {
    name: 'userinfo',
    takes: ['access token of an API'],
    accepts: async (token) => {
      const headers = { authorization: `Bearer ${token}` };
      return (await fetch(`${lab.scene.issuer}/oauth2/userinfo`, { headers })).status === 200;
    },
  },
  {
    name: 'client authentication',
    takes: ['client assertion'],
    accepts: async (token) => {
      const form = { grant_type: 'client_credentials', client_assertion_type: assertionType, client_assertion: token };
      return (await send(ask(lab.scene.issuer, '/oauth2/token', form))).status === 200;
    },
  },
  {
    name: 'the challenge of machines',
    takes: ['invite', 'join state'],
    accepts: async (credential) =>
      (await postRpc(lab.scene.issuer, 'monoauth.machines.v1.MachineService/Challenge', { credential })).status === 200,
  },
  {
    name: 'enrolment',
    takes: ['invite'],
    accepts: async (token) => {
      const method = 'monoauth.machines.v1.MachineService/RedeemInvite';
      const redeemed = await redemptionOf(lab.scene.issuer, token, await makeKey()).catch(() => undefined);
      return redeemed !== undefined && (await postRpc(lab.scene.issuer, method, redeemed as JsonObject)).status === 200;
    },
  },
  {
    name: 'a code, a refresh token and a device code',
    takes: [],
    accepts: async (token) => {
      const forms = [
        {
          grant_type: 'authorization_code',
          code: token,
          code_verifier: 'v'.repeat(43),
          redirect_uri: 'https://app.example.test/callback',
        },
        { grant_type: 'refresh_token', refresh_token: token },
        { grant_type: 'urn:ietf:params:oauth:grant-type:device_code', device_code: token },
      ];
      const answers = await Promise.all(
        forms.map((form) => send(authenticated(ask(lab.scene.issuer, '/oauth2/token', form), lab.app))),
      );
      return answers.some(({ status }) => status === 200);
    },
  },
  {
    name: 'subject tokens of an exchange',
    takes: ['access token for exchange'],
    accepts: async (token) => {
      const form = {
        grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
        subject_token: token,
        subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
        audience: ordersApi,
      };
      return (await send(authenticated(ask(lab.scene.issuer, '/oauth2/token', form), exchanger))).status === 200;
    },
  },
  {
    name: 'the assertion grant',
    takes: ['ID-JAG of a neighbour'],
    accepts: async (token) =>
      (await send(redeeming({ home: lab.scene, client: redeemer }, token))).status === 200 ||
      (await send(ask(lab.scene.issuer, '/oauth2/token', { grant_type: jwtBearer, assertion: token }))).status === 200,
  },
  {
    name: 'who is vouched for to another domain',
    takes: ['ID token of another client'],
    accepts: (token) => isTakenAs(token, ['id_token', 'refresh_token'], 'id-jag', lab.other.issuer),
  },
  {
    name: 'what a transaction begins or goes on with',
    takes: ['access token for exchange', 'transaction token'],
    accepts: (token) => isTakenAs(token, ['access_token', 'txn_token', 'self_signed'], 'txn_token', lab.scene.issuer),
  },
  {
    name: 'the attestation of an instance',
    takes: ['client attestation'],
    accepts: (attestation) => authenticatesInstance({ attestation }),
  },
  {
    name: 'the proof of an instance',
    takes: ['proof of an instance'],
    accepts: (proof) => authenticatesInstance({ proof }),
  },
];

/** Whether an instance is authenticated that shows it, beside a right one of the other. */
async function authenticatesInstance(shown: {
  readonly attestation?: string;
  readonly proof?: string;
}): Promise<boolean> {
  const request = ask(lab.scene.issuer, '/oauth2/token', { grant_type: 'client_credentials', resource: ordersApi });
  await attested(request, vouched, vouched.machine.id);
  const { attestation, proof } = shown;
  if (attestation !== undefined) request.headers.set('oauth-client-attestation', attestation.trim());
  if (proof !== undefined) request.headers.set('oauth-client-attestation-pop', proof.trim());
  return (await send(request)).status === 200;
}

let vouched: Pick<AttestationScene, 'attester' | 'machine' | 'instance'>;
beforeAll(async () => {
  const { scene } = lab;
  await setClientAttestation(scene, true);
  const attester = await playIssuer(scene, 'attester', vouches);
  vouched = { attester, machine: await registerAttested(scene, attester), instance: await makeKey() };
  kinds.set('client attestation', await attest(attester, vouched.machine.id, vouched.instance));
  kinds.set('proof of an instance', await provePossession(vouched.instance, scene.issuer));
});

/** Whether an exchange takes it under one of these names. */
async function isTakenAs(token: string, types: string[], wanted: string, audience: string): Promise<boolean> {
  const answers = await Promise.all(
    types.map((type) => {
      const form = { subject_token: token, subject_token_type: tokenType(type), scope: 'tenants:read', audience };
      const asked = { grant_type: exchange, requested_token_type: tokenType(wanted), ...form };
      return send(authenticated(ask(lab.scene.issuer, '/oauth2/token', asked), redeemer));
    }),
  );
  return answers.some(({ status }) => status === 200);
}

let redeemer: RegisteredClient;
/** What goes across domains, and what one call has: of ours, and of a neighbour. */
beforeAll(async () => {
  const { scene, other } = lab;
  const { issuer } = scene;
  await setIdJag(scene, true);
  const grantTypes = ['authorization_code', 'refresh_token', exchange, jwtBearer];
  redeemer = await registerApp(scene, { authMethod: 'AUTH_METHOD_CLIENT_SECRET_BASIC', grantTypes });
  const trust = { issuer: other.issuer, name: 'there', clientId: redeemer.id, remoteClientId: 'there' };
  for (const profile of ['ASSERTION_PROFILE_ID_JAG', 'ASSERTION_PROFILE_IDENTITY_CHAINING']) {
    const asked = { ...trust, profile, scopes: ['tenants:read'] };
    await scene.rpc('federation.v1.FederationService/TrustResourceServer', asked);
  }
  const idp = await playIssuer(scene, 'idp');
  const userId = String(decodeJwt(scene.ownerToken).sub).slice('user:'.length);
  await link(scene, { issuerId: idp.id, subject: 'alice', userId });
  const idToken = String((await send(await redemption(lab, redeemer))).body.id_token);
  const subject = await scene.owner.token({ audience: issuer, scope: 'tenants:read' });
  const issue = async (type: string, [token, of]: readonly [string, string], audience: string) => {
    const form = { subject_token: token, subject_token_type: tokenType(of), scope: 'tenants:read', audience };
    const asked = { grant_type: exchange, requested_token_type: tokenType(type), ...form };
    const { body, text } = await send(authenticated(ask(issuer, '/oauth2/token', asked), redeemer));
    if (typeof body.access_token !== 'string') throw new Error(`${type}: ${text}`);
    return body.access_token;
  };
  kinds.set('ID token of another client', idToken);
  kinds.set('ID-JAG', await issue('id-jag', [idToken, 'id_token'], other.issuer));
  kinds.set('ID-JAG of a neighbour', await assertPerson(idp, { home: scene, client: redeemer }));
  kinds.set('grant for another domain', await issue('jwt', [subject, 'access_token'], other.issuer));
  kinds.set('transaction token', await issue('txn_token', [subject, 'access_token'], issuer));
});

let exchanger: Awaited<ReturnType<typeof registerApp>>;
beforeAll(async () => {
  exchanger = await registerApp(
    lab.scene,
    {
      grantTypes: ['urn:ietf:params:oauth:grant-type:token-exchange'],
      authMethod: 'AUTH_METHOD_CLIENT_SECRET_BASIC',
      scopes: ['orders:read', 'tenants:read'],
      redirectUris: [],
    },
    { kind: 'CLIENT_KIND_MACHINE' },
  );
  kinds.set(
    'access token for exchange',
    await lab.scene.owner.token({ audience: lab.scene.issuer, scope: 'tenants:read' }),
  );
});

test('each kind of JWT has a type of its own, or an audience that keeps it apart', () => {
  const types = [...kinds].map(([kind, token]) => [kind, decodeProtectedHeader(token).typ] as const);
  for (const [kind, typ] of types) {
    const alike = types.filter(([other, otherTyp]) => otherTyp === typ && family(other) !== family(kind));
    expect(alike, kind).toEqual([]);
  }
});

const family = (kind: string) => /^(?:access token|ID token|ID-JAG)/.exec(kind)?.[0] ?? kind;

test('only its own verifier takes each of them', async () => {
  const faults: string[] = [];
  for (const { name, takes, accepts } of verifiers) {
    for (const [kind, token] of kinds) {
      const taken = await accepts(token);
      if (taken !== takes.includes(kind)) faults.push(`${name} ${taken ? 'took' : 'refused'} the ${kind}`);
    }
  }
  expect(faults).toEqual([]);
  process.stdout.write(`confusion matrix: ${verifiers.length} verifiers by ${kinds.size} kinds\n`);
});

/** Spellings that some libraries forgive (standards, part 2): each is another text for the same token. */
const spellings: Readonly<Record<string, (token: string) => string>> = {
  'a space within it': (token) => `${token.slice(0, -4)} ${token.slice(-4)}`,
  'a line break in the signature': (token) => `${token.slice(0, -4)}\n${token.slice(-4)}`,
  padding: (token) => `${token}==`,
  'one padding character': (token) => `${token}=`,
  'another last character': (token) => `${token.slice(0, -1)}${token.endsWith('B') ? 'C' : 'B'}`,
  'a fourth part': (token) => `${token}.`,
  'plain base64': (token) => token.replaceAll('-', '+').replaceAll('_', '/'),
};

test('no other spelling of a good token is taken', async () => {
  const token = kinds.get('access token') ?? '';
  const accepts = verifiers[0]?.accepts ?? (async () => true);
  const faults: string[] = [];
  for (const [spelling, respell] of Object.entries(spellings)) {
    if (respell(token) !== token && (await accepts(respell(token)).catch(() => false))) faults.push(spelling);
  }
  expect(faults).toEqual([]);
  expect(await accepts(token)).toBe(true);
});
