import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { send } from './negative/ask.ts';
import { redemption } from './negative/lab.ts';
import { type OAuthScene, registerApp } from './oauth-scene.ts';

/** Signs a person in to an app, and out again. @returns the logout token that the app is sent. */
export async function receiveLogout(scene: OAuthScene): Promise<string> {
  const { jobs } = scene.installation.controlPlane;
  const person = await scene.installation.signIn('home');
  const received: (string | null)[] = [];
  const site = createServer(async (request, response) => {
    received.push(new URLSearchParams(await text(request)).get('logout_token'));
    response.end();
  });
  await new Promise<void>((resolve) => site.listen(0, '127.0.0.1', resolve));
  try {
    const backchannelLogoutUri = `http://127.0.0.1:${(site.address() as AddressInfo).port}/logout`;
    // In development, where an app may be on loopback.
    const [environment, identifier] = ['ENVIRONMENT_DEVELOPMENT', 'https://orders.dev.example.test'];
    await scene.rpc('clients.v1.ClientService/CreateResource', { identifier, name: 'Orders', environment });
    const manifest = { scopes: ['openid'], audiences: [identifier], backchannelLogoutUri };
    const app = await registerApp(scene, manifest, { environment });
    const signedIn = { scene: { ...scene, owner: person } };
    const { body } = await send(await redemption(signedIn, app, { scope: 'openid', resource: identifier }));
    await person.fetch(`/oauth2/end_session?id_token_hint=${body.id_token}`);
    for (const tenantId of await jobs.tenantsWithLogouts()) await jobs.deliverLogouts(tenantId);
  } finally {
    site.close();
  }
  const [token] = received;
  if (received.length !== 1 || !token) throw new Error(`${received.length} logout tokens were received`);
  return token;
}
