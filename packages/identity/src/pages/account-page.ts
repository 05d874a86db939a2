import { html } from 'hono/html';
import { page } from './page.ts';

export interface AccountPage {
  readonly tenantName: string;
  readonly name: string;
  readonly email: string;
  readonly signOutAction: string;
  readonly formToken: string;
}

export function accountPage({ tenantName, name, email, signOutAction, formToken }: AccountPage) {
  return page(
    `Your account at ${tenantName}`,
    html`<h1>${tenantName}</h1>
<p>You are signed in.</p>
<dl><dt>Name</dt><dd>${name}</dd><dt>E-mail address</dt><dd>${email}</dd></dl>
<form method="post" action="${signOutAction}">
<input type="hidden" name="form_token" value="${formToken}">
<button type="submit">Sign out</button>
</form>`,
  );
}
