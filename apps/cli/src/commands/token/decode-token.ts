import { jwtSyntax } from '@mono-auth/core/encoding';
import { Refusal } from '@mono-auth/core/errors';
import { decodeJwt, decodeProtectedHeader, type JWTPayload, type ProtectedHeaderParameters } from 'jose';
import type { CliContext } from '../../context.ts';
import { type OutputFlags, print, say } from '../../output.ts';

/** What a token says of itself. Asks nobody and proves nothing. */
export function printDecoded(context: CliContext, flags: OutputFlags, token: string): void {
  const { header, claims } = decodeToken(token);
  say(context, 'not verified: this is what the token says');
  const chain = chainOf(claims);
  const nowSeconds = context.runtime.nowMs() / 1000;
  print(context, flags, { verified: false, header, claims, chain: chain.map(([, principal]) => principal) }, [
    ...chain.map(([path, principal]) => `${path.padEnd(width)}  ${principal}`),
    ...['iss', 'aud', 'client_id', 'tenant_id', 'scope', 'jti', 'sid', 'pjti', 'grants', 'ep', 'fs', 'did', 'pv']
      .filter((name) => claims[name] !== undefined)
      .map((name) => `${name.padEnd(width)}  ${[claims[name]].flat().join(' ')}`),
    ...(['iat', 'exp'] as const).flatMap((name) => timeLine(name, claims[name], nowSeconds)),
    `${'kid'.padEnd(width)}  ${header.kid ?? ''} (${header.alg ?? ''}, ${header.typ ?? 'no typ'})`,
  ]);
}

/** The longest name that is printed: five nested actors. */
const width = 'act.act.act'.length;
/** Deeper nesting is no token of ours, and a hostile one must not keep us busy. */
const shownDepthMax = 16;

/** @throws Refusal `invalid_request` for what is no JWT. */
export function decodeToken(token: string): { header: ProtectedHeaderParameters; claims: JWTPayload } {
  try {
    if (jwtSyntax.test(token)) return { header: decodeProtectedHeader(token), claims: decodeJwt(token) };
  } catch (cause) {
    throw new Refusal('invalid_request', 'token: not a JWT', { cause });
  }
  throw new Refusal('invalid_request', 'token: not a JWT');
}

/** RFC 8693 §4.1: the subject, then who acts now, then those who acted before. */
function chainOf(claims: JWTPayload): [path: string, principal: string][] {
  const chain: [string, string][] = [['sub', String(claims.sub ?? '')]];
  let actor = claims.act as { sub?: unknown; act?: unknown } | undefined;
  for (let path = 'act'; typeof actor === 'object' && actor !== null && chain.length <= shownDepthMax; path += '.act') {
    chain.push([path, String(actor.sub ?? '')]);
    actor = actor.act as typeof actor;
  }
  return chain;
}

function timeLine(name: string, seconds: number | undefined, nowSeconds: number): string[] {
  if (typeof seconds !== 'number' || !Number.isFinite(seconds) || Math.abs(seconds) > 8.64e12) return [];
  const awaySeconds = Math.round(seconds - nowSeconds);
  const when = awaySeconds < 0 ? `${-awaySeconds} s ago` : `in ${awaySeconds} s`;
  return [`${name.padEnd(width)}  ${new Date(seconds * 1000).toISOString()} (${when})`];
}
