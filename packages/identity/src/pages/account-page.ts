import { html } from 'hono/html';
import { page } from './page.ts';

export interface AccountPage {
  readonly tenantName: string;
  readonly name: string;
  readonly email: string;
  readonly signOutAction: string;
  readonly revokeAction: string;
  /** What was allowed, by client. */
  readonly clients: readonly AllowedClient[];
  readonly formToken: string;
}

export interface AllowedClient {
  readonly clientId: string;
  readonly name: string;
  readonly scopes: readonly string[];
}

export function accountPage({ tenantName, name, email, clients, signOutAction, revokeAction, formToken }: AccountPage) {
  const allowed = clients.map(
    (client) => html`<form method="post" action="${revokeAction}">
<input type="hidden" name="form_token" value="${formToken}">
<input type="hidden" name="client_id" value="${client.clientId}">
<h2>${client.name}</h2>
<p>${client.scopes.join(', ')}</p>
<button type="submit" class="second" aria-label="Take back what ${client.name} was allowed">Take back</button>
</form>`,
  );
  return page(
    `Your account at ${tenantName}`,
    html`<h1>${tenantName}</h1>
<p>You are signed in.</p>
<dl><dt>Name</dt><dd>${name}</dd><dt>E-mail address</dt><dd>${email}</dd></dl>
<form method="post" action="${signOutAction}">
<input type="hidden" name="form_token" value="${formToken}">
<button type="submit">Sign out</button>
</form>
${allowed.length > 0 ? html`<section><h2>What you have allowed</h2>${allowed}</section>` : ''}`,
  );
}
