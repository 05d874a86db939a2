import { html } from 'hono/html';
import { page } from './page.ts';

export interface SignOutPage {
  readonly tenantName: string;
  readonly email: string;
  readonly action: string;
  readonly formToken: string;
}

/** Asks before it signs out: who sent the browser here did not prove that the person wants it. */
export function signOutPage({ tenantName, email, action, formToken }: SignOutPage) {
  return page(
    `Sign out of ${tenantName}?`,
    html`<h1>Sign out of ${tenantName}?</h1>
<p>You are signed in as ${email}.</p>
<form method="post" action="${action}">
<input type="hidden" name="form_token" value="${formToken}">
<button type="submit">Sign out</button>
</form>`,
  );
}
