import type { JsonObject } from '@bufbuild/protobuf';
import { expect } from 'vitest';

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

/** What every refusal owes (RFC 6749 §5.2), besides its own code. */
export function expectRefused(answer: Answered, { status, error, challenge }: Row): void {
  expect([answer.status, answer.body.error], answer.text).toEqual([status, error]);
  expect(answer.headers.get('cache-control')).toBe('no-store');
  expect(answer.headers.get('content-type')).toMatch(/^application\/json/);
  expect(answer.body.error_description).toMatch(/^[\x20-\x21\x23-\x5b\x5d-\x7e]+$/);
  for (const secret of ['access_token', 'refresh_token', 'id_token', 'code', 'client_secret']) {
    expect(answer.body).not.toHaveProperty(secret);
  }
  if (challenge !== undefined) expect(answer.headers.get('www-authenticate')).toMatch(new RegExp(`^${challenge}\\b`));
}

export const basic = (id: string, secret: string) =>
  `Basic ${Buffer.from(`${encodeURIComponent(id)}:${encodeURIComponent(secret)}`).toString('base64')}`;
