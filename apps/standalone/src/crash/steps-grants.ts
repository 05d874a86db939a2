import { createHash } from 'node:crypto';
import type { JsonObject } from '@bufbuild/protobuf';
import { decodeJwt } from 'jose';
import { authorizeAs, submitForm } from '../acceptance/oauth/browser-person.ts';
import { hold } from '../tour/scene.ts';
import { answered, ask, type CrashScene, eventsOf, idOf, patiently, scopes, Unanswered } from './scene.ts';
import { type Aim, type Step, step } from './shot.ts';
import { onlyEvent } from './steps-tenant.ts';

const deviceCode = 'urn:ietf:params:oauth:grant-type:device_code';
const redirectUri = 'https://app.example/callback';
/** No secret of anybody: who redeems is what the steps are about. */
const verifier = 'a-code-verifier-that-every-step-may-use-as-it-is';
const challenge = createHash('sha256').update(verifier).digest('base64url');
const asked = { scope: ['openid', 'offline_access', ...scopes].join(' ') };
const request = { redirect_uri: redirectUri, code_challenge: challenge, code_challenge_method: 'S256' };

/** A public client that people use: nothing but the code or token itself is spent with its requests. */
async function makeApp(scene: CrashScene, name: string): Promise<string> {
  const { client } = await ask(scene, 'clients.v1.ClientService/CreateClient', {
    ...{ kind: 'CLIENT_KIND_APP', name, approve: true },
    manifest: {
      ...{ authMethod: 'AUTH_METHOD_NONE', redirectUris: [redirectUri] },
      scopes: asked.scope.split(' '),
      audiences: [scene.resource],
      grantTypes: ['authorization_code', 'refresh_token', deviceCode],
    },
  });
  return idOf(client);
}

function post(scene: CrashScene, endpoint: string, form: Record<string, string>): Promise<JsonObject> {
  return answered(async () => {
    const answer = await fetch(`${scene.issuer}/oauth2/${endpoint}`, {
      method: 'POST',
      body: new URLSearchParams(form),
    });
    // A pushed request is answered with 201.
    return { status: answer.ok ? 200 : answer.status, body: (await answer.json()) as JsonObject };
  }, endpoint);
}

async function authorize(scene: CrashScene, query: Record<string, string>): Promise<string> {
  const url = new URL(`${scene.issuer}/oauth2/authorize`);
  url.search = new URLSearchParams(query).toString();
  const callback = await authorizeAs(scene.owner, url);
  const code = callback.searchParams.get('code');
  hold(code !== null, `the person is sent back with a code (${callback.search})`);
  return code as string;
}

const codeFor = (scene: CrashScene, client_id: string) =>
  authorize(scene, { ...{ client_id, response_type: 'code', resource: scene.resource }, ...asked, ...request });

const redemption = (client_id: string, code: string) => ({
  ...{ grant_type: 'authorization_code', client_id, code, redirect_uri: redirectUri, code_verifier: verifier },
});

/** What the second presentation of something that is good once comes to. */
const refused = 'refused';

/**
 * A code or token that is good once: spent together with the evidence of what it became. A code or a refresh token that is
 * shown again ends all that was made of it (RFC 9700 §4.14.2); a device asks again when an answer was lost, and only gets nothing.
 */
async function once(
  scene: CrashScene,
  clientId: string,
  form: Record<string, string>,
  shownAgain: 'ends all' | 'gets nothing' = 'ends all',
): Promise<Aim<string>> {
  const issued = async () => (await eventsOf(scene, 'token.issued')).filter((event) => event.clientId === clientId);
  const before = (await issued()).length;
  const send = async () => (await post(scene, 'token', form)).access_token as string;
  return {
    send,
    async repeat(first) {
      const spent = (await issued()).length - before;
      hold(spent === 1 || (spent === 0 && first === undefined), `the token has its evidence (${spent})`);
      const again = await send().catch((error: Error) => {
        if (error instanceof Unanswered) throw error;
        hold(error.message.includes('invalid_grant'), `refused as any other that is not good: ${error.message}`);
        return refused;
      });
      hold((again === refused) === (spent === 1), 'it is spent once, with its evidence');
      return again;
    },
    async hold(again, first) {
      hold((await issued()).length - before === 1, 'one token was made of it');
      if (again !== refused) scene.live.add(again);
      else if (first !== undefined) scene[shownAgain === 'ends all' ? 'dead' : 'live'].add(first);
    },
  };
}

const code = step<string>('POST /oauth2/token authorization_code', async (scene, label) => {
  const client = await makeApp(scene, label);
  return once(scene, client, redemption(client, await codeFor(scene, client)));
});

const refresh = step<string>('POST /oauth2/token refresh_token', async (scene, label) => {
  const client_id = await makeApp(scene, label);
  const tokens = await post(scene, 'token', redemption(client_id, await codeFor(scene, client_id)));
  const refresh_token = tokens.refresh_token as string;
  return once(scene, client_id, { grant_type: 'refresh_token', client_id, refresh_token });
});

async function deviceOf(scene: CrashScene, client_id: string): Promise<JsonObject> {
  return post(scene, 'device_authorization', { client_id, resource: scene.resource, ...asked });
}

const poll = (client_id: string, device: JsonObject) => ({
  ...{ grant_type: deviceCode, client_id, device_code: device.device_code as string },
});

async function allow(scene: CrashScene, device: JsonObject): Promise<void> {
  const page = new URL(device.verification_uri_complete as string);
  const html = await (await scene.owner.fetch(page.href.slice(scene.issuer.length))).text();
  await submitForm(scene.owner, page, html, { decision: 'allow' }).catch((error: Error) => {
    // It answers with a page, which leads nowhere.
    if (!error.message.includes('answered 200')) throw error;
  });
}

const deviceGrant = step<string>('POST /oauth2/token device_code', async (scene, label) => {
  const client = await makeApp(scene, label);
  const device = await deviceOf(scene, client);
  await allow(scene, device);
  return once(scene, client, poll(client, device), 'gets nothing');
});

const deviceAuthorization = step<JsonObject>('POST /oauth2/device_authorization', async (scene, label) => {
  const client = await makeApp(scene, label);
  const send = () => deviceOf(scene, client);
  return {
    send,
    repeat: async (first) => first ?? send(),
    async hold(device) {
      await allow(scene, device);
      const tokens = await patiently(() => post(scene, 'token', poll(client, device)));
      scene.live.add(tokens.access_token as string);
    },
  };
});

const pushed = step<string>('POST /oauth2/par', async (scene, label) => {
  const client = await makeApp(scene, label);
  const form = { client_id: client, response_type: 'code', resource: scene.resource, ...asked, ...request };
  const send = async () => (await post(scene, 'par', form)).request_uri as string;
  return {
    send,
    repeat: async (first) => first ?? send(),
    async hold(uri) {
      const given = await authorize(scene, { client_id: client, request_uri: uri });
      const tokens = await patiently(() => post(scene, 'token', redemption(client, given)));
      await onlyEvent(scene, 'token.issued', decodeJwt(tokens.access_token as string).jti ?? '');
      scene.live.add(tokens.access_token as string);
    },
  };
});

/** The grants of people: what a browser or a device carries between the endpoints is durable when it has been answered. */
export const grantSteps: readonly Step[] = [code, refresh, deviceGrant, deviceAuthorization, pushed];
