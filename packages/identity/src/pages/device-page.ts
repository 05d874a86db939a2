import { html } from 'hono/html';
import { alert, page } from './page.ts';

export interface DevicePage {
  readonly tenantName: string;
  readonly action: string;
  readonly formToken: string;
  readonly userCode: string;
  readonly error?: string | undefined;
}

export function devicePage({ tenantName, action, formToken, userCode, error }: DevicePage) {
  const described = error ? html`aria-describedby="error" aria-invalid="true"` : html`autofocus`;
  return page(
    `${error ? 'Error: ' : ''}Connect a device to ${tenantName}`,
    html`<h1>Connect a device</h1>
<p>Type the code that the device shows.</p>
${error ? alert(error) : ''}
<form method="post" action="${action}">
<input type="hidden" name="form_token" value="${formToken}">
<label for="user_code">Code</label>
<input id="user_code" name="user_code" value="${userCode}" autocomplete="off" autocapitalize="characters" spellcheck="false" maxlength="32" required ${described}>
<button type="submit">Go on</button>
</form>`,
  );
}
