import { html } from 'hono/html';
import { alert, page } from './page.ts';

export interface SignInPage {
  readonly tenantName: string;
  readonly action: string;
  readonly formToken: string;
  readonly email?: string | undefined;
  readonly error?: string | undefined;
}

export function signInPage({ tenantName, action, formToken, email = '', error }: SignInPage) {
  const focus = error ? '' : html`autofocus`;
  const described = error ? html`aria-describedby="error" aria-invalid="true"` : '';
  return page(
    `${error ? 'Error: ' : ''}Sign in to ${tenantName}`,
    html`<h1>${tenantName}</h1>
<p>Sign in to continue.</p>
${error ? alert(error) : ''}
<form method="post" action="${action}">
<input type="hidden" name="form_token" value="${formToken}">
<label for="email">E-mail address</label>
<input id="email" name="email" type="email" value="${email}" autocomplete="username" autocapitalize="none" spellcheck="false" maxlength="254" required ${focus} ${described}>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" maxlength="128" required ${described}>
<button type="submit">Sign in</button>
</form>`,
  );
}
