import type { JsonObject } from '@bufbuild/protobuf';
import { SignJWT } from 'jose';
import { type AttestationScene, attest, type Change, provePossession } from '../attestation-scene.ts';
import type { PlayedIssuer } from '../federation-scene.ts';
import { draftOf, signDraft, signerOf } from '../json-spellings/spellings.ts';
import { type Ask, type Row, row } from './ask.ts';

export const header = 'oauth-client-attestation';
export const popHeader = 'oauth-client-attestation-pop';

type Bend = Row['bend'];

/** A MUST about attestation or proof: one error, one wording. */
export const invalid = (section: string, name: string, bend: Bend) =>
  row(section, name, bend, 400, 'invalid_client_attestation');
export const stale = (section: string, name: string, bend: Bend) =>
  row(section, name, bend, 400, 'use_fresh_attestation');
export const challenged = (section: string, name: string, bend: Bend) =>
  row(section, name, bend, 400, 'use_attestation_challenge');

export const spelled =
  (name: string, spell: (text: string) => string): Bend =>
  (ask) =>
    ask.headers.set(name, spell(ask.headers.get(name) ?? ''));

/** Bends what the instance of a scene shows; the scene is made when the rows are run. */
export function bendsOf(scene: () => AttestationScene) {
  return {
    /** Another attestation. */
    says:
      (change: Change | (() => Change), typ?: string): Bend =>
      async ({ headers }) => {
        const { attester, machine, instance } = scene();
        const claims = typeof change === 'function' ? change() : change;
        headers.set(header, await attest(attester, machine.id, instance, claims, typ));
      },
    /** One of another attester, for one of its clients. */
    by:
      (parties: () => readonly [PlayedIssuer, { readonly id: string }]): Bend =>
      async ({ headers }) => {
        const [attester, { id }] = parties();
        headers.set(header, await attest(attester, id, scene().instance));
      },
    /** Another proof. */
    proves:
      (change: Change | (() => Change), typ?: string): Bend =>
      async ({ headers, issuer }) => {
        const claims = typeof change === 'function' ? change() : change;
        headers.set(popHeader, await provePossession(scene().instance, issuer, claims, typ));
      },
  };
}

/** The same claims, signed otherwise. */
export const resigned =
  (name: string, change: Change, key: () => CryptoKey | Uint8Array): Bend =>
  async ({ headers }) => {
    const [protectedHeader, claims] = partsOf(headers.get(name) ?? '');
    const jwt = new SignJWT(claims).setProtectedHeader({ ...protectedHeader, alg: 'ES256', ...change });
    headers.set(name, await jwt.sign(key()));
  };

/** The same JWT with a member written a second time, which is the one that counts (RFC 7519 §4). */
export const twice =
  (name: string, key: () => CryptoKey, second: () => Change): Bend =>
  async ({ headers }: Ask) => {
    const [protectedHeader, claims] = partsOf(headers.get(name) ?? '');
    const draft = draftOf(protectedHeader, claims);
    const more = Object.entries(second()).map(([member, value]) => [member, JSON.stringify(value)] as const);
    headers.set(name, await signDraft({ ...draft, payload: [...draft.payload, ...more] }, signerOf(key())));
  };

/** ES256 has 86 characters, the last of which holds two bits: the other four are nobody's. */
export function otherUnusedBits(text: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  return `${text.slice(0, -1)}${alphabet[alphabet.indexOf(text.slice(-1)) ^ 1]}`;
}

export function unsigned(text: string): string {
  const [head, payload] = partsOf(text);
  const encode = (part: JsonObject) => Buffer.from(JSON.stringify(part)).toString('base64url');
  return `${encode({ ...head, alg: 'none' })}.${encode(payload)}.AAAA`;
}

/** Order of P-256 (SEC 2 §2.4.2): (r, n-s) is a signature of whatever (r, s) is one of. */
const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

export function withOtherS(jwt: string): string {
  const [head, payload, signature = ''] = jwt.split('.');
  const bytes = Buffer.from(signature, 'base64url');
  const s = order - BigInt(`0x${bytes.subarray(32).toString('hex')}`);
  const other = Buffer.concat([bytes.subarray(0, 32), Buffer.from(s.toString(16).padStart(64, '0'), 'hex')]);
  return `${head}.${payload}.${other.toString('base64url')}`;
}

function partsOf(jwt: string): [JsonObject, JsonObject] {
  const [head = '', payload = ''] = jwt.split('.');
  const parse = (part: string) => JSON.parse(Buffer.from(part, 'base64url').toString()) as JsonObject;
  return [parse(head), parse(payload)];
}
