import { base64url, utf8 } from '@mono-auth/core/encoding';
import { Refusal } from '@mono-auth/core/errors';
import fc from 'fast-check';
import { exportJWK, importJWK, type JWK, SignJWT } from 'jose';
import { beforeAll, expect, test } from 'vitest';
import { signJwt, verifyJwt } from './jwt.ts';
import { generateKey, type KeyAlg, openSigner, type Signer } from './key-pair.ts';

const nowMs = Date.UTC(2026, 0, 1);
const nowS = nowMs / 1000;
const typ = 'at+jwt';
const expected = { typ, issuer: 'https://a/t/acme', audience: 'https://api', nowMs };
const claims = {
  iss: expected.issuer,
  aud: expected.audience,
  sub: 'user:x',
  iat: nowS,
  exp: nowS + 300,
  jti: 'tok_1',
};

let signer: Signer;
let attacker: Signer;
let token: string;

async function makeSigner(kid: string, alg: KeyAlg = 'ES256'): Promise<Signer> {
  const { publicJwk, privateKey } = await generateKey(kid, alg);
  return openSigner(kid, alg, publicJwk, privateKey);
}

/** A token whose header and claims are anything at all, signed by `by`. */
async function forge(header: object, payload: object, by: Signer): Promise<string> {
  const input = `${base64url(utf8(JSON.stringify(header)))}.${base64url(utf8(JSON.stringify(payload)))}`;
  return `${input}.${base64url(await by.sign(utf8(input)))}`;
}

async function refusalOf(text: string, keys: readonly JWK[] = [signer.publicJwk], expect_ = expected): Promise<string> {
  try {
    await verifyJwt(text, keys, expect_);
  } catch (error) {
    expect(error).toBeInstanceOf(Refusal);
    expect((error as Refusal).reason).toBe('not_authenticated');
    return (error as Refusal).detail;
  }
  return 'accepted';
}

beforeAll(async () => {
  signer = await makeSigner('key_a');
  attacker = await makeSigner('key_b');
  token = await signJwt(signer, typ, claims);
});

test.each<KeyAlg>(['ES256', 'EdDSA', 'RS256'])('a token signed with %s verifies and gives its claims', async (alg) => {
  const own = await makeSigner('key_c', alg);
  expect(await verifyJwt(await signJwt(own, typ, claims), [signer.publicJwk, own.publicJwk], expected)).toEqual(claims);
});

test('a stock jose client verifies what we sign, and we verify what it signs', async () => {
  const { generateKeyPair, jwtVerify } = await import('jose');
  const { payload } = await jwtVerify(token, await importJWK(signer.publicJwk, 'ES256'), {
    currentDate: new Date(nowMs),
    typ,
  });
  expect(payload).toEqual(claims);
  const pair = await generateKeyPair('ES256');
  const theirs = await new SignJWT(claims).setProtectedHeader({ alg: 'ES256', kid: 'k', typ }).sign(pair.privateKey);
  expect(await verifyJwt(theirs, [{ ...(await exportJWK(pair.publicKey)), kid: 'k' }], expected)).toEqual(claims);
});

test('alg none is refused', async () => {
  const unsigned = await forge({ alg: 'none', kid: 'key_a', typ }, claims, signer);
  expect(await refusalOf(unsigned)).toContain('alg');
  expect(await refusalOf(`${unsigned.slice(0, unsigned.lastIndexOf('.'))}.`)).toContain('not a compact JWS');
});

test('HS256 with the public key as the secret is refused, also when a symmetric key is offered', async () => {
  const secret = utf8(JSON.stringify(signer.publicJwk));
  const forged = await new SignJWT(claims).setProtectedHeader({ alg: 'HS256', kid: 'key_a', typ }).sign(secret);
  expect(await refusalOf(forged)).toContain('alg');
  expect(await refusalOf(forged, [{ kty: 'oct', k: base64url(secret), kid: 'key_a' }])).toContain('alg');
});

test('another key under the right kid, an unknown kid, a missing kid and a doubled kid are refused', async () => {
  expect(await refusalOf(await forge({ alg: 'ES256', kid: 'key_a', typ }, claims, attacker))).toContain('signature');
  expect(await refusalOf(await signJwt(attacker, typ, claims))).toContain('kid');
  expect(await refusalOf(await forge({ alg: 'ES256', typ }, claims, signer))).toContain('kid');
  expect(await refusalOf(token, [signer.publicJwk, signer.publicJwk])).toContain('kid');
});

test('keys that a token brings along are never trusted', async () => {
  const { publicJwk } = attacker;
  for (const extra of [{ jwk: publicJwk }, { jku: 'https://evil/jwks' }, { x5u: 'https://evil' }, { x5c: ['AA=='] }]) {
    const unknown = await forge({ alg: 'ES256', kid: 'key_b', typ, ...extra }, claims, attacker);
    expect(await refusalOf(unknown)).toContain('kid');
    const known = await forge({ alg: 'ES256', kid: 'key_a', typ, ...extra }, claims, attacker);
    expect(await refusalOf(known)).toContain('signature');
  }
});

test('an unknown critical header is refused', async () => {
  const header = { alg: 'ES256', kid: 'key_a', typ, crit: ['x'], x: 1 };
  expect(await refusalOf(await forge(header, claims, signer))).not.toBe('accepted');
});

test('every other spelling of a valid token is refused by its syntax', async () => {
  const variants = [
    `${token} `,
    ` ${token}`,
    `${token}\n`,
    `${token}=`,
    `${token}==`,
    token.replace('.', ' .'),
    `${token}.`,
  ];
  const [head, body, signature] = token.split('.') as [string, string, string];
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  // 64 bytes leave four unused bits in the last character: fifteen other spellings of the same bytes.
  const last = alphabet.indexOf(signature.at(-1) as string);
  for (let unused = 1; unused < 16; unused++) {
    variants.push(`${head}.${body}.${signature.slice(0, -1)}${alphabet[last ^ unused]}`);
  }
  for (const variant of variants) expect(await refusalOf(variant)).toContain('not a compact JWS');
});

test('a token that is too long is refused before it is parsed', async () => {
  expect(await refusalOf(await signJwt(signer, typ, { ...claims, pad: 'x'.repeat(9000) }))).toContain('longer than');
});

test('a token of another typ is refused, however its typ is spelled', async () => {
  for (const other of ['JWT', 'AT+JWT', 'application/at+jwt', '', undefined]) {
    const forged = await forge(
      { alg: 'ES256', kid: 'key_a', ...(other !== undefined && { typ: other }) },
      claims,
      signer,
    );
    expect(await refusalOf(forged)).toContain('typ');
  }
});

test('another issuer, another audience and the lack of either are refused', async () => {
  expect(await refusalOf(await signJwt(signer, typ, { ...claims, iss: `${claims.iss}/` }))).toContain('iss');
  expect(await refusalOf(await signJwt(signer, typ, { ...claims, iss: undefined }))).toContain('iss');
  expect(await refusalOf(await signJwt(signer, typ, { ...claims, aud: ['https://other'] }))).toContain('aud');
  expect(await refusalOf(await signJwt(signer, typ, { ...claims, aud: undefined }))).toContain('aud');
});

test('time is checked with 30 s of skew and no more', async () => {
  const at = (times: object) => signJwt(signer, typ, { ...claims, ...times });
  expect(await refusalOf(await at({ exp: nowS - 29 }))).toBe('accepted');
  expect(await refusalOf(await at({ exp: nowS - 31 }))).toContain('expired');
  expect(await refusalOf(await at({ nbf: nowS + 30 }))).toBe('accepted');
  expect(await refusalOf(await at({ nbf: nowS + 31 }))).toContain('nbf');
  expect(await refusalOf(await at({ iat: nowS + 30 }))).toBe('accepted');
  expect(await refusalOf(await at({ iat: nowS + 31 }))).toContain('iat');
});

test('a token without exp is refused unless the caller says that it may live on', async () => {
  const eternal = await signJwt(signer, typ, { ...claims, exp: undefined });
  expect(await refusalOf(eternal)).toContain('exp');
  expect(await verifyJwt(eternal, [signer.publicJwk], { ...expected, expiry: 'optional' })).toMatchObject({
    jti: 'tok_1',
  });
});

test('changing any one character of a token is refused, and the refusal repeats nothing of it', async () => {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=~ ';
  await fc.assert(
    fc.asyncProperty(fc.nat(token.length - 1), fc.constantFrom(...alphabet), async (at, char) => {
      fc.pre(token[at] !== char);
      const detail = await refusalOf(token.slice(0, at) + char + token.slice(at + 1));
      expect(detail).not.toBe('accepted');
      expect(detail.length).toBeLessThan(80);
    }),
    { numRuns: 500 },
  );
});

test('no text at all makes the verifier fail otherwise than by a refusal', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(
        fc.string(),
        fc.array(fc.base64String()).map((parts) => parts.join('.')),
      ),
      async (text) => {
        expect(await refusalOf(text)).not.toBe('accepted');
      },
    ),
    { numRuns: 200 },
  );
});
