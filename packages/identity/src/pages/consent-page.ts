import { html } from 'hono/html';
import { page } from './page.ts';

export interface ConsentPage {
  readonly tenantName: string;
  readonly clientName: string;
  /** The host that the client says it belongs to. */
  readonly clientHost: string | undefined;
  /** Where the answer goes, as a person can compare it; undefined for a device, which comes and asks. */
  readonly redirectHost: string | undefined;
  /** The answer goes to a program on this device. */
  readonly loopback: boolean;
  readonly email: string;
  /** What is asked for, in words. */
  readonly wishes: readonly string[];
  readonly resources: readonly string[];
  readonly duration: string;
  readonly action: string;
  readonly formToken: string;
  /** What a device shows as well. */
  readonly userCode?: string;
}

/** Both buttons are of one size, refusing comes first, and nothing is sent by Enter alone. */
export function consentPage(shown: ConsentPage) {
  const { clientName, clientHost, redirectHost, loopback, wishes, resources, userCode } = shown;
  return page(
    `Allow ${clientName}?`,
    html`<h1>Allow ${clientName}?</h1>
<p>${shown.tenantName}, signed in as ${shown.email}</p>
<dl>
<dt>Application</dt><dd>${clientName}${clientHost ? html` <span>(${clientHost})</span>` : ''}</dd>
${redirectHost ? html`<dt>You will be sent to</dt><dd>${redirectHost}</dd>` : ''}
${userCode ? html`<dt>Code that the device shows</dt><dd><strong>${userCode}</strong></dd>` : ''}
<dt>It asks for</dt><dd><ul>${wishes.map((wish) => html`<li>${wish}</li>`)}</ul></dd>
${resources.length > 0 ? html`<dt>At</dt><dd>${resources.join(', ')}</dd>` : ''}
<dt>For how long</dt><dd>${shown.duration}</dd>
</dl>
${loopback ? html`<div role="note">The answer goes to a program on this device. Go on only if you have just started it yourself.</div>` : ''}
${userCode ? html`<div role="note">Go on only if you have this device before you and it shows this code. Nobody else needs it from you.</div>` : ''}
<form method="post" action="${shown.action}">
<input type="hidden" name="form_token" value="${shown.formToken}">
${userCode ? html`<input type="hidden" name="user_code" value="${userCode}">` : ''}
<button type="submit" name="decision" value="deny" class="second">Refuse</button>
<button type="submit" name="decision" value="allow">Allow</button>
</form>`,
  );
}
