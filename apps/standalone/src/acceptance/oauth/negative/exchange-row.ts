import { type Ask, ask, basic, type Row } from './ask.ts';
import { assertionType } from './lab.ts';

/** Whoever exchanges: by a secret in the header, or by an assertion of its key. */
export interface Exchanger {
  readonly id: string;
  readonly secret?: string;
  assertion?(): Promise<string>;
}

/** Parameters of RFC 8693 §2.1, by name. A list repeats one; null leaves it out. */
export type ExchangeParams = Readonly<Record<string, string | readonly string[] | null>>;

/** One MUST of an exchange, broken once: data, so that every face of the use case can be asked the same. */
export interface ExchangeRow {
  readonly section: string;
  readonly name: string;
  /** What differs from the right request. */
  readonly params: ExchangeParams;
  /** Who asks in the place of the right client. */
  readonly by?: Exchanger;
  readonly error: string;
}

export function broken(
  section: string,
  name: string,
  params: ExchangeParams,
  error = 'invalid_request',
  by?: Exchanger,
): ExchangeRow {
  return { section, name, params, error, ...(by && { by }) };
}

const exchangeGrant = 'urn:ietf:params:oauth:grant-type:token-exchange';

/** The right request over HTTP, with proof of its client that nobody has used. */
export async function exchangeAsk(issuer: string, by: Exchanger, params: ExchangeParams): Promise<Ask> {
  const request = ask(issuer, '/oauth2/token', { grant_type: exchangeGrant });
  bend(request, params);
  await authenticate(request, by);
  return request;
}

/** The row as the table of the HTTP endpoints has it. `by` is whoever asks the right request. */
export function httpRow({ section, name, params, by, error }: ExchangeRow, right: Exchanger): Row {
  const status = error === 'invalid_client' ? 401 : error === 'access_denied' ? 403 : 400;
  return {
    ...{ section, name, status, error },
    async bend(request) {
      bend(request, params);
      // Anew in any case: an assertion is spent by a refusal too, and the right request comes after it.
      if (!('client_assertion' in params)) await authenticate(request, by ?? right);
    },
  };
}

function bend({ form }: Ask, params: ExchangeParams): void {
  for (const [name, value] of Object.entries(params)) {
    form.delete(name);
    for (const one of value === null ? [] : [value].flat()) form.append(name, one);
  }
}

async function authenticate({ form, headers }: Ask, { id, secret, assertion }: Exchanger): Promise<void> {
  headers.delete('authorization');
  for (const name of ['client_id', 'client_assertion', 'client_assertion_type']) form.delete(name);
  if (secret) headers.set('authorization', basic(id, secret));
  else if (!assertion) form.set('client_id', id);
  else {
    form.set('client_assertion_type', assertionType);
    form.set('client_assertion', await assertion());
  }
}
