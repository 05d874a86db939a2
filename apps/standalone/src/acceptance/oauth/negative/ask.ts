import type { JsonObject } from '@bufbuild/protobuf';

/** A request at an endpoint of the authorization server that is right until a row bends it. */
export interface Ask {
  method: string;
  /** Below the issuer. */
  path: string;
  readonly form: URLSearchParams;
  readonly headers: Headers;
  /** Sent in place of the form. */
  body?: string;
  /** Another tenant's issuer, when the request goes astray. */
  issuer: string;
}

export interface Answered {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly body: JsonObject;
}

/** One MUST, broken once. */
export interface Row {
  readonly name: string;
  /** Where it is demanded. */
  readonly section: string;
  readonly bend: (ask: Ask) => void | Promise<void>;
  readonly status: number;
  readonly error: string;
  /** Scheme of the challenge, where one is due. */
  readonly challenge?: string;
}

export function ask(issuer: string, path: string, form: Record<string, string>): Ask {
  return { method: 'POST', path, form: new URLSearchParams(form), headers: new Headers(), issuer };
}

export function row(
  section: string,
  name: string,
  bend: Row['bend'],
  status: number,
  error: string,
  challenge?: string,
): Row {
  return { section, name, bend, status, error, ...(challenge !== undefined && { challenge }) };
}

export async function send({ method, path, form, headers, body, issuer }: Ask): Promise<Answered> {
  const hasBody = method !== 'GET';
  const query = hasBody || form.size === 0 ? '' : `?${form}`;
  const answer = await fetch(`${issuer}${path}${query}`, {
    method,
    headers,
    redirect: 'manual',
    ...(hasBody && { body: body ?? form }),
  });
  const text = await answer.text();
  return { status: answer.status, headers: answer.headers, text, body: parse(text) };
}

function parse(text: string): JsonObject {
  try {
    return JSON.parse(text) as JsonObject;
  } catch {
    return {};
  }
}

/** What every refusal owes (RFC 6749 §5.2), besides its own code. @returns what is wrong with it. */
function faultOf({ status, headers, text, body }: Answered, row: Row): string | undefined {
  if (status !== row.status || body.error !== row.error) return `${status} ${text}, not ${row.status} ${row.error}`;
  if (headers.get('cache-control') !== 'no-store') return 'it may be stored';
  if (!headers.get('content-type')?.startsWith('application/json')) return 'it is no JSON';
  if (!/^[\x20-\x21\x23-\x5b\x5d-\x7e]+$/.test(String(body.error_description)))
    return 'its description has other characters';
  const leaked = credentialMembers.find((name) => Object.hasOwn(body, name));
  if (leaked !== undefined) return `it holds ${leaked}`;
  const challenge = headers.get('www-authenticate') ?? '';
  if (row.challenge !== undefined && challenge.split(' ')[0] !== row.challenge)
    return `it challenges with "${challenge}"`;
  return undefined;
}

const credentialMembers = ['access_token', 'refresh_token', 'id_token', 'code', 'client_secret'];

/**
 * Each row breaks a right request once and sees it refused; then the right request still succeeds, so the broken one has
 * used up nothing: no code, token, assertion or secret.
 * @returns what did not hold.
 */
export async function breakEach(table: readonly Row[], right: () => Promise<Ask>): Promise<string[]> {
  const faults: string[] = [];
  for (const row of table) {
    const request = await right();
    const bent = { ...request, form: new URLSearchParams(request.form), headers: new Headers(request.headers) };
    await row.bend(bent);
    const fault = faultOf(await send(bent), row);
    const { status, text } = await send(request);
    const spent = status === 200 || status === 201 ? undefined : `afterwards the right one got ${status} ${text}`;
    if (fault ?? spent) faults.push(`${row.section}, ${row.name}: ${fault ?? spent}`);
  }
  return faults;
}

export const basic = (id: string, secret: string) =>
  `Basic ${Buffer.from(`${encodeURIComponent(id)}:${encodeURIComponent(secret)}`).toString('base64')}`;
