import { Refusal } from '@mono-auth/core/errors';

/** Largest body of a form or call of this package, bytes: an address, a password and a scope are far below. */
const bodyBytesMax = 16 * 1024;

/**
 * The members of a JSON object or of a form. Nothing else is read, so a form of another site cannot pass for JSON.
 * @throws Refusal `invalid_request` or `too_large`.
 */
export async function readBody(
  request: Request,
  accepted: readonly ('json' | 'form')[],
): Promise<Record<string, unknown>> {
  const type = request.headers.get('content-type')?.split(';', 1)[0]?.trim().toLowerCase();
  const text = await readText(request);
  if (type === 'application/json' && accepted.includes('json')) return readJson(text);
  if (type === 'application/x-www-form-urlencoded' && accepted.includes('form')) return readForm(text);
  if (type === undefined && text === '') return {};
  throw new Refusal('invalid_request', `content-type: this body is not understood here`);
}

/**
 * The body of a form, not taken apart.
 * @throws Refusal `invalid_request` or `too_large`.
 */
export async function readFormText(request: Request): Promise<string> {
  const type = request.headers.get('content-type')?.split(';', 1)[0]?.trim().toLowerCase();
  if (type !== 'application/x-www-form-urlencoded') {
    throw new Refusal('invalid_request', 'content-type: allowed: application/x-www-form-urlencoded');
  }
  return readText(request);
}

async function readText(request: Request): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of request.body ?? []) {
    length += chunk.byteLength;
    if (length > bodyBytesMax) throw new Refusal('too_large', `the body has more than ${bodyBytesMax} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function readJson(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value };
  } catch (cause) {
    throw new Refusal('invalid_request', 'the body is not JSON', { cause });
  }
  throw new Refusal('invalid_request', 'the body is not a JSON object');
}

function readForm(text: string): Record<string, unknown> {
  const members: Record<string, unknown> = {};
  for (const [name, value] of new URLSearchParams(text)) {
    // RFC 6749 §3.2: parameters must not be included more than once.
    if (Object.hasOwn(members, name)) throw new Refusal('invalid_request', 'a parameter is there twice');
    members[name] = value;
  }
  return members;
}
